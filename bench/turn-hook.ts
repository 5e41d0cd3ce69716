import { appendFileSync } from 'node:fs'
import { isMainThread, workerData } from 'node:worker_threads'

// Loaded into every thread of a measured server with --import: notes the turns of its event loop that took long.

const path = process.env['TURN_FILE']
/** Milliseconds. */
const least = 3

/** The timer fires at least once a turn: between two of its calls lies one long turn, or some of a millisecond. */
function watch(file: string): void {
  const thread = threadKind()
  let before = process.threadCpuUsage()
  const note = (): void => {
    const { user, system } = process.threadCpuUsage()
    const cpu = (user + system - before.user - before.system) / 1000
    if (cpu >= least) appendFileSync(file, `${Date.now()} ${thread} ${cpu.toFixed(1)}\n`)
    before = process.threadCpuUsage()
  }
  setInterval(note, 1).unref()
}

function threadKind(): string {
  if (isMainThread) return 'main'
  const data = workerData as object
  if ('number' in data) return 'worker'
  return 'settings' in data ? 'other' : 'writer'
}

if (path !== undefined) watch(path)
