import type { Link, LogName } from './chain.ts'
import { newSigningKey, openNote, openSigner, type NoteSigner } from './signed-note.ts'

/** The second place: where heads and the key that signs them are kept, away from the log. */
export interface HeadStore {
  saveHead(name: string, head: string): Promise<void>
  head(name: string): Promise<string | undefined>
  /** Unless there is one: that which is kept. */
  saveKey(key: string): Promise<string>
  key(): Promise<string | undefined>
}

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

export interface LogHead extends Link {
  readonly log: LogName
  /** ISO 8601. */
  readonly time: string
}

/** The signer of this registry, with a key that is made once and kept. */
export async function openHeadSigner(heads: HeadStore): Promise<NoteSigner> {
  return openSigner(keyName, (await heads.key()) ?? (await heads.saveKey(newSigningKey())))
}

/** What `audit verify --show-key` prints; undefined while there is no key. */
export async function verifierOf(heads: Pick<HeadStore, 'key'>): Promise<string | undefined> {
  const key = await heads.key()
  return key === undefined ? undefined : openSigner(keyName, key).verifier
}

const keyName = 'trow-audit'
type Kind = 'head' | 'pruned'

/**
 * A checkpoint in the manner of C2SP tlog-checkpoint: origin, count of lines, base64 hash of the last one, then the time as
 * an extension line. `pruned` says the same of the last line that retention took.
 */
export function signHead(signer: NoteSigner, kind: Kind, head: LogHead): string {
  const root = Buffer.from(head.hash, 'hex').toString('base64')
  return signer.sign(`trow/audit/${head.log}/${kind}\n${head.seq}\n${root}\n${head.time}\n`)
}

/** Undefined where it is not signed by that key, or says something else. */
export function openHead(note: string, kind: Kind, log: LogName, verifier: string): LogHead | undefined {
  const [origin, seq = '', root = '', time = '', end] = openNote(note, verifier)?.split('\n') ?? []
  if (origin !== `trow/audit/${log}/${kind}` || end !== '' || !/^\d{1,15}$/.test(seq)) return undefined
  return { log, seq: Number(seq), hash: Buffer.from(root, 'base64').toString('hex'), time }
}
