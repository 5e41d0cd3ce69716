import type { TenantMode } from '../../admission/tenant-rights.ts'

/** What `trow admission` is told beside the registry's settings. */
export interface AdmissionOptions {
  /** Of trow. */
  readonly version: string
  /** Of the admission pods and the registry. */
  readonly namespace: string
  /** Namespaces whose pods the floor does not see, without the own one. */
  readonly excluded: readonly string[]
  /** `https://trow.trow.svc`. */
  readonly registry: string
  /** Files: the registry's CA, and a token of the own account with audience `trow`. */
  readonly registryAuthority: string
  readonly registryToken: string
  /** What comes of a pod whose account may not pull what it names. */
  readonly tenants: TenantMode | 'off'
}
