import { setTimeout as sleep } from 'node:timers/promises'
import { admissionNames } from '../../cluster/admission-layout.ts'
import { ClusterFault } from '../../cluster/cluster-fault.ts'
import type { ClusterObjects, KubeObject } from '../../cluster/cluster-objects.ts'
import { secretText } from '../../cluster/config-data.ts'
import type { TlsPair } from '../../http/tls-context.ts'
import type { Log } from '../../log.ts'
import { reasonOf } from '../../reason-of.ts'
import {
  bundleOfCertificates,
  certificatesOf,
  dataOf,
  nextCertificates,
  type CertificateMakers,
  type WebhookCertificates,
} from './webhook-certificates.ts'

export interface CertificateKeeperParts {
  readonly objects: Pick<ClusterObjects, 'watch' | 'patch'>
  readonly namespace: string
  /** Of the webhook's Service. */
  readonly host: string
  readonly make: CertificateMakers
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds of a clock that does not jump. */
  readonly monotonic: () => number
  /** Receives the pair to be shown from now on. */
  readonly onPair: (pair: TlsPair) => void
  readonly log: Log
  /** Milliseconds that a bundle must have stood in the webhook configuration before its CAs count as trusted. */
  readonly settle?: number
}

/** An API server reads a changed configuration within a second or two; several may be far from each other. */
const usualSettle = 60_000

/** Follows the Secret with the webhook's certificate, and, on the pod that is told to, keeps it valid. */
export class CertificateKeeper {
  readonly #parts: CertificateKeeperParts
  readonly #end = new AbortController()
  #secret: KubeObject | undefined
  #isListed = false
  #certificates: WebhookCertificates | undefined
  #shown = ''
  #trusted: { readonly bundle: string; readonly since: number } | undefined

  constructor(parts: CertificateKeeperParts) {
    this.#parts = parts
  }

  /** Follows the Secret until `close`. */
  async follow(): Promise<void> {
    const { objects, namespace, log } = this.#parts
    const selection = {
      apiVersion: 'v1',
      kind: 'Secret',
      namespace,
      fieldSelector: `metadata.name=${admissionNames.certificate}`,
    }
    await objects.watch(
      selection,
      {
        onChange: (change) => {
          if (change.kind === 'synced') this.#isListed = true
          else this.#take(change.kind === 'present' ? change.object : undefined)
        },
        onFault: (fault) => log.debug('the certificate cannot be read', { reason: reasonOf(fault) }),
      },
      this.#end.signal,
    )
  }

  close(): void {
    this.#end.abort()
  }

  /** What the API servers have to trust, PEM; undefined: there is no certificate yet. */
  get bundle(): string | undefined {
    return this.#certificates && bundleOfCertificates(this.#certificates)
  }

  /**
   * Makes or replaces what is due, one step at a time, on the pod that holds the Lease. `inForce`: the bundle that all entries of
   * the webhook configuration have; undefined: they differ, or there is no configuration. Rejects with ClusterFault.
   */
  async keep(inForce: string | undefined): Promise<void> {
    if (!this.#isListed) return
    const { host, now, make, log, namespace, objects } = this.#parts
    const current = this.#certificates
    const view = { host, now: now(), isTrusted: this.#isTrusted(inForce) }
    const next = await nextCertificates(current, view, make)
    if (next === current) return
    const reference = { apiVersion: 'v1', kind: 'Secret', namespace, name: admissionNames.certificate }
    const { resourceVersion } = this.#secret?.metadata ?? {}
    const patch = {
      ...(resourceVersion !== undefined && { metadata: { resourceVersion } }),
      data: dataOf(next),
    }
    try {
      const written = await objects.patch(reference, patch)
      if (written === undefined)
        throw new ClusterFault('refused', `there is no Secret ${reference.name} in namespace ${namespace}`, {
          status: 404,
        })
      log.info('the certificate of the webhook was changed', { host, step: stepOf(current, next) })
      this.#take(written)
    } catch (error) {
      // Somebody else has written it: what the watch brings is looked at in the next round.
      if (!(error instanceof ClusterFault) || error.status !== 409) throw error
      await sleep(100)
    }
  }

  #isTrusted(inForce: string | undefined): boolean {
    const { bundle } = this
    const { monotonic, settle = usualSettle } = this.#parts
    if (bundle === undefined || inForce !== bundle) {
      this.#trusted = undefined
      return false
    }
    if (this.#trusted?.bundle !== bundle) this.#trusted = { bundle, since: monotonic() }
    return monotonic() - this.#trusted.since >= settle
  }

  #take(secret: KubeObject | undefined): void {
    const { host, now, onPair, log } = this.#parts
    this.#secret = secret
    const found = certificatesOf((key) => secretText(secret, key), { host, now: now() })
    this.#certificates = found
    // A pod goes on with what it has: a Secret that was emptied is filled again by whoever holds the Lease.
    if (found === undefined) return
    const { cert, key } = found.leaf
    if (this.#shown === cert) return
    if (this.#shown !== '') log.info('another certificate is shown from now on')
    this.#shown = cert
    onPair({ cert, key })
  }
}

function stepOf(before: WebhookCertificates | undefined, after: WebhookCertificates): string {
  if (before === undefined) return 'made'
  if (after.next !== before.next && after.next !== undefined) return 'the next CA was made'
  if (after.authority !== before.authority) return 'the next CA signs'
  return after.previous === before.previous ? 'renewed' : 'the former CA is forgotten'
}
