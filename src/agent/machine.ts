import type { TokenProvision } from '../trust/kubelet/provide-tokens.ts'
import type { TokenWithdrawal } from '../trust/kubelet/withdraw-tokens.ts'
import type { MachineOptions, NodeFacts, NodeTrust, TrustChange } from '../trust/node-trust.ts'

/** The files of a machine, as src/trust reads and writes them. */
export interface Machine {
  inspect(options: MachineOptions): Promise<NodeFacts>
  /** Throws UserError for what the person who runs the machine can mend. */
  trust(
    options: MachineOptions,
    facts: NodeFacts,
    trust: NodeTrust,
    means: { readonly restartRuntime: boolean; readonly editHosts: boolean; readonly dryRun?: boolean },
  ): Promise<readonly TrustChange[]>
  untrust(
    options: MachineOptions,
    facts: NodeFacts,
    hosts: readonly string[],
    means: { readonly dryRun: boolean },
  ): Promise<readonly TrustChange[]>
  /** Has the kubelet pull as the service account of each pod, as far as that can be done without restarting it. */
  provide(
    options: MachineOptions,
    facts: NodeFacts,
    hosts: readonly string[],
    means: { readonly dryRun: boolean },
  ): Promise<TokenProvision>
  withdraw(
    options: MachineOptions,
    facts: NodeFacts,
    hosts: readonly string[],
    means: { readonly dryRun: boolean },
  ): Promise<TokenWithdrawal>
}
