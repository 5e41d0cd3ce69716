import type { Health } from '../../http/health-routes.ts'
import { inTime } from '../../in-time.ts'
import { OciError } from '../../oci/oci-error.ts'
import { reasonOf } from '../../reason-of.ts'

/** Milliseconds that a check waits for a database, once reads have worked. */
const patience = 500

/**
 * Whether reads work. Once they did, a database that is away does not make the answer false: it is away for
 * all replicas, and none of them can be replaced by another.
 */
export class ReadHealth {
  readonly #read: () => Promise<unknown>
  #hasWorked = false

  constructor(read: () => Promise<unknown>) {
    this.#read = read
  }

  async check(): Promise<Health> {
    try {
      if (this.#hasWorked) await inTime(this.#read(), AbortSignal.timeout(patience), () => undefined)
      else await this.#read()
      this.#hasWorked = true
      return { ok: true }
    } catch (error) {
      const isAway = error instanceof OciError && error.code === 'UNAVAILABLE'
      return isAway && this.#hasWorked ? { ok: true } : { ok: false, reason: reasonOf(error) }
    }
  }
}
