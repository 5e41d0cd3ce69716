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
 * The CAs that vouch for the cluster's client certificates, kubelets' included: `client-ca-file` of ConfigMap
 * `kube-system/extension-apiserver-authentication`, which every API server publishes for servers like ours. Needs Role
 * `extension-apiserver-authentication-reader`.
 */
export interface ClientCa {
  /** PEM, one certificate or several. Undefined: not known yet, or the cluster has none. */
  readonly pem: string | undefined
  /** Called with every other bundle from now on; returns what takes it back. */
  onChange(listener: (pem: string | undefined) => void): () => void
  close(): void
}

/**
 * Resolves after the first look, whether it found something or not; goes on looking. One small object is read whole each
 * time: a watch can be silently dead behind a load balancer, and a CA is replaced once in years.
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
      // The last one stays. Said once, not every time.
      if (this.#failures++ === 0) {
        log.warn("the cluster's client CA cannot be read; what is known of it stays", {
          reason: reasonOf(error),
        })
      }
    }
    if (this.#closed) return
    // At first a failure is looked into sooner: 1 s, 2 s, 4 s …
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

/** Throws where the bundle holds no certificate, or one that cannot be read: half a bundle would lock some out. */
function certificatesOf(bundle: string): string {
  const blocks = certificatesInPem(bundle)
  if (blocks.length === 0) throw new Error('client-ca-file holds no certificate')
  for (const block of blocks) void new X509Certificate(block)
  return `${blocks.join('\n')}\n`
}
