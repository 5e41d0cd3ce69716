import type { CanaryPace } from './canary-keeper.ts'

/** Milliseconds. */
export interface AgentPace extends CanaryPace {
  /** Between two looks at all of the node, its runtime's configuration included, when nothing is known to have changed. */
  readonly assert: number
  /** Between two looks at what changes quietly: our files, the kubelet's certificate, a port that was taken, a full disk. */
  readonly look: number
  /** Between two reports. */
  readonly heartbeat: number
  /** How long the first look waits for what the API server says. */
  readonly patience: number
  /** For open connections at the end. */
  readonly grace: number
}

export const usualPace: AgentPace = {
  assert: 300_000,
  look: 10_000,
  heartbeat: 30_000,
  patience: 5000,
  grace: 50_000,
  interval: 600_000,
  retry: 5000,
  spread: 5000,
}
