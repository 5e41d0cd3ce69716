import { parentPort, workerData } from 'node:worker_threads'
import { hashOf } from '../../../src/metadata/cache/generations.ts'
import { SharedCache } from '../../../src/metadata/cache/shared-cache.ts'

// Stores entries whose content can be checked, and reads the entries of all threads.

const { buffer, number } = workerData as { buffer: SharedArrayBuffer; number: number }
const cache = SharedCache.attach(buffer, number)
const wrong: string[] = []
let found = 0
let seed = number + 1

function random(below: number): number {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff
  return Math.floor((seed / 0x80000000) * below)
}

for (let step = 0; step < 60_000 && wrong.length === 0; step++) {
  const key = `key ${random(300)}`
  const sharedKey = { kind: 1, key, hash: hashOf(key) }
  const entry = cache.get(sharedKey)
  if (entry !== undefined) {
    found++
    const { title, text, bytes, first } = entry
    // Every byte of an entry follows from its key and one number.
    const whole =
      title === key && text === String(first) && bytes?.every((byte) => byte === (first ?? -1) % 251)
    if (whole !== true || bytes?.byteLength !== (first ?? -1) % 700)
      wrong.push(JSON.stringify({ key, ...entry }))
  }
  const value = random(1_000_000)
  const bytes = Buffer.alloc(value % 700, value % 251)
  cache.put(sharedKey, {
    first: value,
    second: undefined,
    title: key,
    text: String(value),
    bytes,
    slot: 0,
    generation: 0,
  })
}
parentPort?.postMessage({ found, wrong })
