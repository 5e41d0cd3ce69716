import type { HttpRegistryOptions } from '../../upstream/registry-http.ts'

/** Who gave the credential of a way. */
export type CredentialOrigin =
  /** `--username`. */
  | { readonly kind: 'given'; readonly username: string }
  /** A login of docker or podman; `place` is the file or the program that has it. */
  | { readonly kind: 'stored'; readonly place: string }
  | { readonly kind: 'cluster' }
  /** `problem`: why a program that keeps logins gave none. */
  | { readonly kind: 'none'; readonly problem: string | undefined }

/** How a registry is reached, and what its errors mean for the user. */
export interface RegistryWay extends HttpRegistryOptions {
  readonly credentialOrigin?: CredentialOrigin | undefined
  /** What a user without the right can do; `undefined` if it depends on the credential alone. */
  readonly deniedHint?: string | undefined
}
