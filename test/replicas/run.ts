import { globSync } from 'node:fs'
import { installComponents, installGoTools } from '../components.ts'
import { findProgram, goProblem, slowGoTools } from '../requirements.ts'
import { SuiteRun } from '../suite-run.ts'
import { s3Problem } from '../support/s3/choice.ts'

// `npm run test:replicas`: the suites of several processes in their long forms, and all others that use S3, on versitygw
// and on MinIO, or on the server that TROW_TEST_S3 names.

const root = new URL('../..', import.meta.url).pathname
const log = (line: string): void => console.log(line)
const suitesOfS3 =
  /^test\/(audit\/shared|blobs\/s3|replicas|serve\/s3|storage\/bucket|registry\/(commit-watch|cut-uploads|uploads)\.)/

const problem = await s3Problem(process.env)
if (problem === undefined) await runSuites()
else {
  console.error(problem)
  process.exitCode = 1
}

async function runSuites(): Promise<void> {
  const named = process.env['TROW_TEST_S3']
  const servers = named === undefined ? ['versitygw', 'minio'] : [named]
  const files = globSync('test/**/*.test.ts', { cwd: root }).filter((file) => suitesOfS3.test(file))
  const suites = new SuiteRun()
  installComponents(log)
  if (servers.includes('minio')) {
    installGoTools(slowGoTools, log)
    if (goProblem() === undefined && findProgram('minio') === undefined) suites.fail('minio was not built')
  }
  const isHeavy = (file: string): boolean => file.startsWith('test/replicas/')
  for (const server of servers) {
    log(`\nS3 by ${server}`)
    process.env['TROW_TEST_S3'] = server
    const on = `on ${server}`
    await suites.runFiles(files.filter((file) => !isHeavy(file)).sort(), { concurrency: 2, on })
    await suites.runFiles(files.filter(isHeavy).sort(), { concurrency: 1, on })
  }
  suites.report()
}
