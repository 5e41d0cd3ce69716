import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Bytes of buffers above which they are collected. */
const most = 12 * 1024 * 1024
/** Milliseconds between two looks. */
const look = 50

/**
 * For commands that only hand gigabytes on, through little heap and many buffers: V8 lets some 90 MB of buffers that nobody
 * needs any more wait for their turn. Here the space for young objects stays small, so that it is collected often, and
 * the rest is collected as soon as buffers are more than 12 MiB.
 */
export function keepMemoryFlat(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  setInterval(() => {
    if (process.memoryUsage().arrayBuffers > most) collect()
  }, look).unref()
}
