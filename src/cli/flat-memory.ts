import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Bytes of buffers above which a collection is started. */
const most = 12 * 1024 * 1024
/** Milliseconds between two checks. */
const look = 50

/**
 * For commands that only pass gigabytes on, with a small heap and many buffers: V8 leaves some 90 MB of
 * unused buffers uncollected. This keeps the space for young objects small, so that it is collected often,
 * and starts a full collection when buffers exceed 12 MiB, until the returned function is called.
 */
export function keepMemoryFlat(): () => void {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const timer = setInterval(() => {
    if (process.memoryUsage().arrayBuffers > most) collect()
  }, look).unref()
  return () => clearInterval(timer)
}

/**
 * For a process whose work is small and always the same: the middle one of V8's compilers keeps 10 to 20 MB that only its compilations
 * need. Hot code is optimized by the last one all the same. What is left between live objects is given back at each full collection: V8
 * would keep some 8 MB of it where 10,000 rules were read. To be called before threads are started.
 */
export function keepProcessSmall(): void {
  setFlagsFromString('--no-maglev')
  setFlagsFromString('--compact-on-every-full-gc')
}
