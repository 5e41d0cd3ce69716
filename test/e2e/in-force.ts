import { setTimeout as sleep } from 'node:timers/promises'

/** Milliseconds for which every answer must have been the new one. */
const settled = 500
const limit = 15_000

/** Milliseconds from `begun` to the first of the answers that are the new ones without exception. */
export async function inForceAfter(begun: number, isNew: () => Promise<boolean>): Promise<number> {
  let first: number | undefined
  while (first === undefined || performance.now() - first < settled) {
    if (await isNew()) first ??= performance.now()
    else first = undefined
    if (performance.now() - begun > limit) throw new Error(`it is not in force after ${limit / 1000} s`)
    await sleep(5)
  }
  return first - begun
}
