import type { CanaryPace } from './canary-keeper.ts'

/** Milliseconds. */
export interface AgentPace extends CanaryPace {
  /** Between two checks of the whole node, its runtime's configuration included, while no change is known. */
  readonly assert: number
  /**
   * Between two checks of what changes without an event: trow's files, the kubelet's certificate, a port that
   * was taken, a full disk.
   */
  readonly look: number
  /** Between two reports. */
  readonly heartbeat: number
  /** That the first check waits for the API server. */
  readonly patience: number
  /** For open connections at shutdown. */
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
