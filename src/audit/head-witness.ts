import type { LogName } from './chain.ts'

/**
 * Signed heads as somebody keeps them who cannot be reached from the log's machine and disk, and the public key that they
 * are signed with, since whoever replaces the log may replace the key as well.
 */
export type WitnessedHeads = Readonly<Partial<Record<LogName | 'key', string>>>

/** Keeps the last heads. Rejects when it cannot be reached now. */
export interface HeadWitness {
  /** For messages: `ConfigMap trow-audit in namespace trow`. */
  readonly name: string
  read(signal: AbortSignal): Promise<WitnessedHeads>
  /** Replaces those that are given. */
  write(heads: WitnessedHeads, signal: AbortSignal): Promise<void>
}
