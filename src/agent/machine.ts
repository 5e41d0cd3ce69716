import type { MachineOptions, NodeFacts, NodeTrust, TrustChange } from '../trust/node-trust.ts'

/** The files of a machine, as src/trust reads and writes them. */
export interface Machine {
  inspect(options: MachineOptions): Promise<NodeFacts>
  /** Throws UserError for what the person who runs the machine can mend. */
  trust(
    options: MachineOptions,
    facts: NodeFacts,
    trust: NodeTrust,
    means: { readonly restartRuntime: boolean; readonly editHosts: boolean },
  ): Promise<readonly TrustChange[]>
  untrust(
    options: MachineOptions,
    facts: NodeFacts,
    hosts: readonly string[],
    means: { readonly dryRun: boolean },
  ): Promise<readonly TrustChange[]>
}
