/** A context of a kubeconfig: its cluster and user, with all paths absolute. */
export interface KubeContext {
  readonly name: string
  /** The file that defines the context; `undefined` in a pod. */
  readonly file: string | undefined
  readonly namespace: string | undefined
  readonly cluster: KubeCluster
  readonly user: KubeUser
}

export interface KubeCluster {
  /** `https://10.0.0.1:6443`, possibly with a path. */
  readonly server: string
  readonly ca: PemSource | undefined
  readonly insecure: boolean
  readonly serverName: string | undefined
  readonly proxyUrl: string | undefined
}

/** PEM in the kubeconfig itself, or in a file that may be replaced at any time. */
export type PemSource = { readonly pem: string } | { readonly file: string }

/** The credentials that kubectl would send: a certificate, and at most one kind of token besides. */
export interface KubeUser {
  readonly name: string
  readonly certificate: { readonly cert: PemSource; readonly key: PemSource } | undefined
  readonly token: TokenOrigin | undefined
  /** `as`, `as-uid`, `as-groups`, `as-user-extra`. */
  readonly impersonate: Impersonation | undefined
}

export type TokenOrigin =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'token-file'; readonly file: string }
  | { readonly kind: 'exec'; readonly plugin: ExecPlugin }
  | { readonly kind: 'oidc'; readonly provider: OidcProvider }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  /** An auth-provider that kubectl itself has removed: `gcp`, `azure`. */
  | { readonly kind: 'unsupported'; readonly provider: string }

/** An ExecCredential plug-in (client.authentication.k8s.io). */
export interface ExecPlugin {
  readonly apiVersion: string
  /** A bare name is looked up in PATH; anything else is an absolute path. */
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly interactiveMode: 'Never' | 'IfAvailable' | 'Always'
  readonly provideClusterInfo: boolean
  readonly installHint: string | undefined
}

/** The `oidc` auth-provider, and the file of its tokens: a refresh writes them back, as kubectl does. */
export interface OidcProvider {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string | undefined
  readonly idToken: string | undefined
  readonly refreshToken: string | undefined
  readonly ca: PemSource | undefined
  readonly keptIn: { readonly file: string; readonly user: string }
}

export interface Impersonation {
  readonly user: string
  readonly uid: string | undefined
  readonly groups: readonly string[]
  readonly extra: Readonly<Record<string, readonly string[]>>
}

/** The kind of credential for messages: the origin of the token, or else the certificate. */
export function credentialKind(user: KubeUser): TokenOrigin['kind'] | 'certificate' | 'none' {
  return user.token?.kind ?? (user.certificate === undefined ? 'none' : 'certificate')
}
