import { readFileSync } from 'node:fs'

/**
 * Loaded into every thread of a server under test (`--import`).
 *
 * CLOCK_AHEAD=<file>  a file with the milliseconds by which the wall clock is ahead, or behind; none: it is right
 */
const { CLOCK_AHEAD: file = '' } = process.env
const { now } = Date
let [ahead, readAt] = [0, -Infinity]

Date.now = () => {
  if (performance.now() - readAt > 20) {
    readAt = performance.now()
    try {
      ahead = Number(readFileSync(file, 'utf8'))
    } catch {
      ahead = 0
    }
  }
  return now() + ahead
}
