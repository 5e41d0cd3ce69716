import type { CanaryPace } from './canary-keeper.ts'

/** Milliseconds. */
export interface AgentPace extends CanaryPace {
  /** Between two looks at the node's files when nothing is known to have changed. */
  readonly assert: number
  /** Between two reports, and two looks at what changes quietly: the kubelet's certificate, a port that was taken. */
  readonly heartbeat: number
  /** How long the first look waits for what the API server says. */
  readonly patience: number
  /** For open connections at the end. */
  readonly grace: number
}

export const usualPace: AgentPace = {
  assert: 300_000,
  heartbeat: 30_000,
  patience: 5000,
  grace: 50_000,
  interval: 600_000,
  retry: 5000,
  spread: 5000,
}
