import type { TlsPair } from '../../http/tls-context.ts'

/** The CAs whose client certificates are accepted now: the cluster's, as last received, and trow's own. */
export class ClientAuthorityList {
  readonly #listeners: (() => void)[] = []
  #cluster: string | undefined
  #own: string | undefined

  setCluster(pem: string | undefined): void {
    this.#cluster = pem
    this.#changed()
  }

  setOwn(pem: string): void {
    this.#own = pem
    this.#changed()
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  /** Returns the pair with the CAs, or the pair itself while there are none. */
  with(pair: TlsPair): TlsPair {
    const lists = [this.#cluster, this.#own].map((pem) => (pem === undefined ? [] : [pem]))
    const [cluster = [], trow = []] = lists
    if (cluster.length + trow.length === 0) return pair
    return { ...pair, clientAuthorities: { cluster, trow } }
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }
}
