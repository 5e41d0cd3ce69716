import type { ClusterObjects } from '../cluster/cluster-objects.ts'
import { reasonOf } from '../reason-of.ts'
import { isPassing } from './cluster-error.ts'

/** Milliseconds between two attempts. */
const pause = 1000

/**
 * Returns the same objects with retries while the API server is away, until the deadline (milliseconds since
 * the epoch). Use it only for calls that are safe to repeat. `tell` receives the reason once for each outage.
 */
export function patientObjects(
  objects: ClusterObjects,
  parts: {
    readonly deadline: number
    readonly now: () => number
    readonly pause: (milliseconds: number) => Promise<void>
    readonly tell: (reason: string) => void
  },
): ClusterObjects {
  let away = false
  const asked = async <T>(call: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        const answer = await call()
        away = false
        return answer
      } catch (error) {
        if (!isPassing(error) || parts.now() >= parts.deadline) throw error
        if (!away) parts.tell(`${reasonOf(error)}; asked again until it answers`)
        away = true
        await parts.pause(pause)
      }
    }
  }
  return {
    server: objects.server,
    version: () => asked(() => objects.version()),
    get: (reference) => asked(() => objects.get(reference)),
    list: (selection) => asked(() => objects.list(selection)),
    watch: (...args) => objects.watch(...args),
    apply: (object, options) => asked(() => objects.apply(object, options)),
    patch: (reference, patch) => asked(() => objects.patch(reference, patch)),
    delete: (reference, options) => asked(() => objects.delete(reference, options)),
    may: (right) => asked(() => objects.may(right)),
    log: (pod, options) => asked(() => objects.log(pod, options)),
  }
}
