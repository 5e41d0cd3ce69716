/** The registry's own answer, over a connection through the API server. */
export interface RegistryAnswer {
  /** The certificate chain that it presents, as PEM, leaf first. */
  readonly chain: string
  /** `undefined` if the chain is valid for the bundle that clients trust; otherwise the TLS error. */
  readonly untrusted: string | undefined
  /** `/readyz` and `/readyz/write`. */
  readonly reads: RegistryHealth
  readonly writes: RegistryHealth
}

export type RegistryHealth = { readonly ok: true } | { readonly ok: false; readonly reason: string }

export interface RegistryProbe {
  /** `bundle` is PEM. Rejects if no connection could be opened. */
  ask(bundle: string): Promise<RegistryAnswer>
}
