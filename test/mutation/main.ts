import { spawn } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { pathToFileURL } from 'node:url'
import { equalMutants } from './equal-mutants.ts'
import { mutantsOf, type Mutant } from './mutants.ts'

// `npm run test:mutation [-- WORD…]`: changes one place of src/policy at a time (of the files whose names begin with one of the
// words) and runs its tests, which should fail. Prints the changes that no test noticed. Nothing is written.

const root = new URL('../..', import.meta.url).pathname
const words = process.argv.slice(2)
const files = globSync('src/policy/*.ts', { cwd: root })
  .filter((file) => words.length === 0 || words.some((word) => basename(file).startsWith(word)))
  .sort()
const all = globSync('test/policy/*.test.ts', { cwd: root }).sort()
/** The slowest last: most mutants are noticed before. */
const tests = [
  ...all.filter((file) => !file.includes('properties')),
  ...all.filter((file) => file.includes('properties')),
]

let [total, noticed, unexplained] = [0, 0, 0]
for (const file of files) {
  const source = readFileSync(`${root}${file}`, 'utf8')
  const mutants = mutantsOf(source, file)
  let here = 0
  for (const mutant of mutants) {
    if (await isNoticed(file, source, mutant)) {
      here++
      continue
    }
    const isEqual = equalMutants.some((each) => each.file === file && each.mutant === mutant.what)
    if (!isEqual) unexplained++
    console.log(`${isEqual ? 'equal    ' : 'UNNOTICED'} ${file}:${mutant.line}  ${mutant.what}`)
  }
  total += mutants.length
  noticed += here
  console.log(`${file}: ${here} of ${mutants.length}`)
}
const share = ((100 * noticed) / total).toFixed(1)
console.log(
  `${noticed} of ${total} noticed (${share} %), ${total - noticed - unexplained} equal, ${unexplained} unexplained`,
)
process.exitCode = unexplained > 0 ? 1 : 0

/** Whether a test fails, or does not end. */
function isNoticed(file: string, source: string, { from, to, text }: Mutant): Promise<boolean> {
  const child = spawn(
    process.execPath,
    [
      `--import=${root}test/mutation/source-hook.ts`,
      '--input-type=module',
      `--eval=${tests.map((each) => `await import('${root}${each}')`).join('\n')}`,
    ],
    {
      cwd: root,
      env: {
        ...process.env,
        MUTANT_FILE: pathToFileURL(`${root}${file}`).href,
        MUTANT_SOURCE: source.slice(0, from) + text + source.slice(to),
      },
      stdio: 'ignore',
    },
  )
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000)
  return new Promise((resolve) => {
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve(code !== 0)
    })
  })
}
