/** What a client shows. A certificate has been verified by TLS already, against the CA that `issuer` names. */
export type Credential =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  /** A token of a cluster or an OIDC issuer. */
  | { readonly kind: 'bearer'; readonly token: string }
  /** A refresh token of ours, which only the token service takes. */
  | { readonly kind: 'refresh'; readonly token: string }

export interface ClientCertificate {
  readonly commonName: string
  readonly organizations: readonly string[]
  /** Hexadecimal. */
  readonly serial: string
  /** Whose CA the chain ends in: the cluster's client CA or trow's own. */
  readonly issuer: 'cluster' | 'trow'
  /** URIs of its subjectAltName (RFC 5280, 4.2.1.6). */
  readonly uris?: readonly string[]
  /** When it ends, in milliseconds since the epoch. */
  readonly validTo?: number
}
