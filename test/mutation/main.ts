import { spawn } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { pathToFileURL } from 'node:url'
import { equalMutants } from './equal-mutants.ts'
import { mutantsOf, type Mutant } from './mutants.ts'

// `npm run test:mutation [-- WORD]`: changes one place of src/policy at a time (of the files whose name has the word) and
// runs its tests, which should fail. Prints the changes that no test noticed. Nothing is written.

const root = new URL('../..', import.meta.url).pathname
const { positionals } = parseArgs({ allowPositionals: true })
const [word = ''] = positionals
const files = globSync('src/policy/*.ts', { cwd: root })
  .filter((file) => file.includes(word))
  .sort()
const all = globSync('test/policy/*.test.ts', { cwd: root }).sort()
/** The slowest last: most mutants are noticed before. */
const tests = [
  ...all.filter((file) => !file.includes('properties')),
  ...all.filter((file) => file.includes('properties')),
]

let [total, noticed] = [0, 0]
const survivors: string[] = []
for (const file of files) {
  const source = readFileSync(`${root}${file}`, 'utf8')
  for (const mutant of mutantsOf(source, file)) {
    total++
    if (await isNoticed(file, source, mutant)) noticed++
    else survivors.push(`${file}:${mutant.line}  ${mutant.what}`)
  }
  console.error(`${file}: ${noticed} of ${total} noticed so far`)
}
const unexplained = survivors.filter(
  (line) => !equalMutants.some(({ mutant }) => line.replace(/:\d+ /, ' ') === mutant),
)
console.log(survivors.join('\n'))
console.log(
  `${total} mutants, ${noticed} noticed (${((100 * noticed) / total).toFixed(1)} %), ${survivors.length} not, ${unexplained.length} of these unexplained`,
)
process.exitCode = unexplained.length > 0 ? 1 : 0

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
