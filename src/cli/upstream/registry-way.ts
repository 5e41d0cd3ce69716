import type { HttpRegistryOptions } from '../../upstream/registry-http.ts'

/** How a registry is reached, and what its refusal means there. */
export interface RegistryWay extends HttpRegistryOptions {
  /** What somebody can do who is not permitted something; undefined: give credentials. */
  readonly deniedHint?: string | undefined
}
