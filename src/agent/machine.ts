import type { TokenProvision } from '../trust/kubelet/provide-tokens.ts'
import type { TokenWithdrawal } from '../trust/kubelet/withdraw-tokens.ts'
import type { MachineOptions, MachineFacts, NodeTrust, TrustChange } from '../trust/node-trust.ts'

/** The files of a machine, as src/trust reads and writes them. */
export interface Machine {
  inspect(options: MachineOptions): Promise<MachineFacts>
  /** Throws UserError for what the operator of the machine can repair. */
  trust(
    options: MachineOptions,
    facts: MachineFacts,
    trust: NodeTrust,
    editOptions: { readonly restartRuntime: boolean; readonly editHosts: boolean; readonly dryRun?: boolean },
  ): Promise<readonly TrustChange[]>
  untrust(
    options: MachineOptions,
    facts: MachineFacts,
    hosts: readonly string[],
    editOptions: { readonly dryRun: boolean },
  ): Promise<readonly TrustChange[]>
  /** Makes the kubelet pull as the service account of each pod, as far as possible without restarting it. */
  provide(
    options: MachineOptions,
    facts: MachineFacts,
    hosts: readonly string[],
    editOptions: { readonly dryRun: boolean },
  ): Promise<TokenProvision>
  withdraw(
    options: MachineOptions,
    facts: MachineFacts,
    hosts: readonly string[],
    editOptions: { readonly dryRun: boolean },
  ): Promise<TokenWithdrawal>
}
