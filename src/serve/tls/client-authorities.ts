import type { TlsPair } from '../../http/tls-context.ts'

/** Whose client certificates are taken now: the cluster's CA, as it was last heard of, and trow's own. */
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

  /** The pair with the list; as it is while there is none. */
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
