import { X509Certificate } from 'node:crypto'
import type { Log } from '../log.ts'
import { reasonOf } from '../reason-of.ts'
import type { ClusterConnection } from './cluster-connection.ts'
import { certificatesInPem } from '../pem-bundle.ts'

export interface ClientCaOptions {
  readonly connection: ClusterConnection
  readonly log: Log
  /** Milliseconds between two looks; 5 s when not given. */
  readonly interval?: number
}

/**
 * The CAs that sign the cluster's client certificates, kubelets' included: `client-ca-file` of ConfigMap
 * `kube-system/extension-apiserver-authentication`, which every API server publishes for extension API servers. Needs
 * Role `extension-apiserver-authentication-reader`.
 */
export interface ClientCa {
  /** PEM, one certificate or several. `undefined` means that it is not known yet, or that the cluster has none. */
  readonly pem: string | undefined
  /** Calls the listener with each new bundle; returns the function that removes the listener. */
  onChange(listener: (pem: string | undefined) => void): () => void
  close(): void
}

/**
 * Resolves after the first read, successful or not, and keeps polling. Polling reads one small object. A watch can stay
 * silent behind a load balancer whose connection is dead, and a CA changes once in years.
 */
export async function followClientCa(options: ClientCaOptions): Promise<ClientCa> {
  const follower = new Follower(options)
  await follower.look()
  return follower
}

class Follower implements ClientCa {
  readonly #options: ClientCaOptions
  readonly #listeners = new Set<(pem: string | undefined) => void>()
  #pem: string | undefined
  #failures = 0
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: ClientCaOptions) {
    this.#options = options
  }

  get pem(): string | undefined {
    return this.#pem
  }

  onChange(listener: (pem: string | undefined) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  async look(): Promise<void> {
    const { log, interval = 5000 } = this.#options
    try {
      this.#take(await this.#read())
      if (this.#failures > 0) log.info("the cluster's client CA can be read again")
      this.#failures = 0
    } catch (error) {
      // The last bundle is kept. A series of failures is logged once.
      if (this.#failures++ === 0) {
        log.warn("the cluster's client CA cannot be read; what is known of it stays", {
          reason: reasonOf(error),
        })
      }
    }
    if (this.#closed) return
    // Failures are retried sooner than the interval: after 1 s, 2 s, 4 s …
    const wait = this.#failures === 0 ? interval : Math.min(interval, 1000 * 2 ** (this.#failures - 1))
    this.#timer = setTimeout(() => void this.look(), wait)
    this.#timer.unref()
  }

  async #read(): Promise<string | undefined> {
    const { data } = await this.#options.connection.ask(({ core }, options) =>
      core.readNamespacedConfigMap(
        { namespace: 'kube-system', name: 'extension-apiserver-authentication' },
        options,
      ),
    )
    return data?.['client-ca-file']
  }

  #take(bundle: string | undefined): void {
    const next = bundle === undefined || bundle.trim() === '' ? undefined : certificatesOf(bundle)
    if (this.#closed || next === this.#pem) return
    const first = this.#pem === undefined
    this.#pem = next
    this.#options.log.info(
      next === undefined
        ? 'the cluster has no client CA any more'
        : `the cluster's client CA ${first ? 'is known' : 'has changed'}`,
    )
    for (const listener of this.#listeners) listener(next)
  }
}

/** Throws if the bundle holds no certificate or an unreadable one: half a bundle would lock clients out. */
function certificatesOf(bundle: string): string {
  const blocks = certificatesInPem(bundle)
  if (blocks.length === 0) throw new Error('client-ca-file holds no certificate')
  for (const block of blocks) void new X509Certificate(block)
  return `${blocks.join('\n')}\n`
}
