import type { ClusterObjects } from '../cluster/cluster-objects.ts'
import { reasonOf } from '../reason-of.ts'
import { isPassing } from './cluster-error.ts'

/** Milliseconds between two attempts. */
const pause = 1000

export interface PatientObjects extends ClusterObjects {
  readonly absence: Absence
}

/** The outages of the API server so far, without one that has not ended. */
export interface Absence {
  /** Of all of them together. */
  readonly milliseconds: number
  /** Milliseconds since the epoch of the first answer after the last one; undefined: there was none. */
  readonly back: number | undefined
}

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
): PatientObjects {
  let absence: Absence = { milliseconds: 0, back: undefined }
  let awaySince: number | undefined
  const asked = async <T>(call: () => Promise<T>): Promise<T> => {
    for (;;) {
      const began = parts.now()
      try {
        const answer = await call()
        if (awaySince !== undefined) {
          const back = parts.now()
          absence = { milliseconds: absence.milliseconds + back - awaySince, back }
          awaySince = undefined
        }
        return answer
      } catch (error) {
        if (!isPassing(error) || parts.now() >= parts.deadline) throw error
        if (awaySince === undefined) parts.tell(`${reasonOf(error)}; asked again until it answers`)
        // An API server that is silent has been away since it was asked.
        awaySince ??= began
        await parts.pause(pause)
      }
    }
  }
  return {
    get absence() {
      return absence
    },
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
