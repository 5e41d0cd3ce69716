import { globSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { equalMutants } from './equal-mutants.ts'
import type { MutantRun } from './mutant-worker.ts'
import { mutantsOf } from './mutants.ts'
import { openTypeCheck } from './type-check.ts'

// `npm run test:mutation [-- WORD…]`: changes one place of src/policy at a time (of the files whose names begin with one of the
// words) and runs its tests, which should fail, if it still compiles. Prints the changes that no test noticed. Nothing is written.

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

const worker = openWorker()
const compiles = openTypeCheck(root)
let [number, total, noticed, unexplained] = [0, 0, 0, 0]
for (const file of files) {
  const original = readFileSync(`${root}${file}`, 'utf8')
  let [count, here] = [0, 0]
  for (const { from, to, text, line, what } of mutantsOf(original, file)) {
    const source = original.slice(0, from) + text + original.slice(to)
    const isNoticed = await worker.isNoticed({
      number: ++number,
      file: pathToFileURL(`${root}${file}`).href,
      source,
    })
    if (!isNoticed && !compiles(file, source)) continue
    count++
    if (isNoticed) {
      here++
      continue
    }
    const code = original.split('\n')[line - 1]?.trim()
    const isEqual = equalMutants.some(
      (each) => each.file === file && each.code === code && each.mutants.includes(what),
    )
    if (!isEqual) unexplained++
    console.log(`${isEqual ? 'equal    ' : 'UNNOTICED'} ${file}:${line}  ${what}   in   ${code}`)
  }
  total += count
  noticed += here
  console.log(`${file}: ${here} of ${count}`)
}
const share = ((100 * noticed) / total).toFixed(1)
console.log(
  `${noticed} of ${total} noticed (${share} %), ${total - noticed - unexplained} equal, ${unexplained} unexplained`,
)
process.exitCode = unexplained > 0 ? 1 : 0
worker.end()

/** Runs mutants one after another in a thread, which is made anew where one does not end, and now and then for its memory. */
function openWorker(): { isNoticed(run: MutantRun): Promise<boolean>; end(): void } {
  let [thread, runs] = [undefined as Worker | undefined, 0]
  // One that is given up may still run out of memory before it has ended.
  const newThread = (): Worker =>
    new Worker(new URL('mutant-worker.ts', import.meta.url), {
      workerData: {
        root: pathToFileURL(root).href,
        tests: tests.map((each) => pathToFileURL(`${root}${each}`).href),
      },
    }).on('error', () => undefined)
  const end = (): void => {
    void thread?.terminate()
    thread = undefined
  }
  return {
    end,
    isNoticed(run) {
      if (runs++ % 50 === 0) end()
      const running = (thread ??= newThread())
      return new Promise((resolve) => {
        const settle = (noticed: boolean): void => {
          clearTimeout(timer)
          running.off('message', settle).off('error', broken)
          resolve(noticed)
        }
        const broken = (): void => {
          thread = undefined
          settle(true)
        }
        const timer = setTimeout(() => {
          end()
          settle(true)
        }, 30_000)
        running.on('message', settle).on('error', broken)
        running.postMessage(run)
      })
    },
  }
}
