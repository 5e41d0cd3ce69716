/** A credential that a client sends. Client certificates are separate: TLS has verified them already. */
export type Credential =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  /** A token of a cluster or an OIDC issuer. */
  | { readonly kind: 'bearer'; readonly token: string }
  /** A trow refresh token, which only the token service accepts. */
  | { readonly kind: 'refresh'; readonly token: string }

export interface ClientCertificate {
  readonly commonName: string
  readonly organizations: readonly string[]
  /** Hexadecimal. */
  readonly serial: string
  /** The CA that the chain ends in: the cluster's client CA or trow's own. */
  readonly issuer: 'cluster' | 'trow'
  /** URIs of its subjectAltName (RFC 5280, 4.2.1.6). */
  readonly uris?: readonly string[]
  /** Expiry, in milliseconds since the epoch. */
  readonly validTo?: number
}
