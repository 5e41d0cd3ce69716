import type { Digest } from '../../oci/digest.ts'
import type { Coverage } from '../../policy-store/policy-coverage.ts'
import type {
  PolicyEdit,
  PolicyEditAnswer,
  PolicyObjectName,
  WrittenObject,
} from '../../policy-store/policy-edits.ts'
import type { PolicyStatus } from '../../policy-store/policy-status.ts'
import type { Check } from '../../cluster/check.ts'
import type { PodsRunning } from '../../scan/pods-running.ts'
import type { RunningFindings } from '../../scan/running-findings.ts'

/** Where a command reads and edits policies: a server on this machine, or a cluster. */
export interface PolicyPlace {
  status(): Promise<PolicyStatus>
  /** Whether the API server refuses by the same policies. Empty: there is no floor here, or it is not to be seen. */
  floor(): Promise<readonly Check[]>
  /** What the last scan of running pods has found. Undefined: nothing scans them, or no cluster is known here. */
  running(): Promise<RunningFindings | undefined>
  /** Returns `undefined` if there is no such object. */
  read(object: PolicyObjectName): Promise<WrittenObject | undefined>
  /** Waits until the edit is in force. Throws the UserErrors of `PolicyWriter`. */
  edit(edit: PolicyEdit): Promise<PolicyEditAnswer>
  /** What the registry holds of the digest, and who has pulled that. Throws UserError where it cannot tell. */
  coverage(digest: Digest): Promise<Coverage>
  /** The pods that run it; `unseen`: why they cannot be listed. Undefined: no cluster is known here. */
  podsRunning(digest: Digest): Promise<PodsRunning | { readonly unseen: string } | undefined>
  close(): Promise<void>
}
