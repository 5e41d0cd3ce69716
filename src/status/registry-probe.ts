/** What the registry itself answers, over a connection through the API server. */
export interface RegistryAnswer {
  /** The certificate that it shows, PEM, leaf first. */
  readonly chain: string
  /** Whether the bundle that clients trust vouches for it; else what TLS said. */
  readonly untrusted: string | undefined
  /** `/readyz` and `/readyz/write`. */
  readonly reads: Health
  readonly writes: Health
}

export type Health = { readonly ok: true } | { readonly ok: false; readonly reason: string }

export interface RegistryProbe {
  /** `bundle`: PEM. Rejects where no connection could be made. */
  ask(bundle: string): Promise<RegistryAnswer>
}
