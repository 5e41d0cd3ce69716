import type { Link, LogName } from './chain.ts'
import { newSigningKey, openNote, openSigner, type NoteSigner } from './signed-note.ts'

/** The store of the signed heads and of the key that signs them, apart from the log's folder. */
export interface HeadStore {
  saveHead(name: string, head: string): Promise<void>
  head(name: string): Promise<string | undefined>
  /** Stores the key unless there is one already. Resolves to the stored key. */
  saveKey(key: string): Promise<string>
  key(): Promise<string | undefined>
}

/**
 * Signed heads that are kept where neither the log's machine nor its disk can change them, with the public
 * key of their signatures: an attacker who replaces the log may replace the key too.
 */
export type WitnessedHeads = Readonly<Partial<Record<LogName | 'key', string>>>

/** Keeps the latest heads. Rejects when it cannot be reached. */
export interface HeadWitness {
  /** Used in messages: `ConfigMap trow-audit in namespace trow`. */
  readonly name: string
  read(signal: AbortSignal): Promise<WitnessedHeads>
  /** Replaces the heads that are given; the others stay. */
  write(heads: WitnessedHeads, signal: AbortSignal): Promise<void>
}

export interface LogHead extends Link {
  readonly log: LogName
  /** ISO 8601. */
  readonly time: string
}

/** Opens the signer of this registry; its key is created once and stored. */
export async function openHeadSigner(heads: HeadStore): Promise<NoteSigner> {
  return openSigner(keyName, (await heads.key()) ?? (await heads.saveKey(newSigningKey())))
}

/** Returns what `audit verify --show-key` prints; undefined while there is no key. */
export async function verifierOf(heads: Pick<HeadStore, 'key'>): Promise<string | undefined> {
  const key = await heads.key()
  return key === undefined ? undefined : openSigner(keyName, key).verifier
}

const keyName = 'trow-audit'
type HeadKind = 'head' | 'pruned'

/**
 * Signs a checkpoint modelled on C2SP tlog-checkpoint: origin, number of lines, base64 hash of the last line,
 * and the time as an extension line. A `pruned` checkpoint describes the last line that retention removed.
 */
export function signHead(signer: NoteSigner, kind: HeadKind, head: LogHead): string {
  const root = Buffer.from(head.hash, 'hex').toString('base64')
  return signer.sign(`trow/audit/${head.log}/${kind}\n${head.seq}\n${root}\n${head.time}\n`)
}

/** Undefined where the signature is not by that key, or the content is for another kind or log. */
export function openHead(note: string, kind: HeadKind, log: LogName, verifier: string): LogHead | undefined {
  const [origin, seq = '', root = '', time = '', end] = openNote(note, verifier)?.split('\n') ?? []
  if (origin !== `trow/audit/${log}/${kind}` || end !== '' || !/^\d{1,15}$/.test(seq)) return undefined
  return { log, seq: Number(seq), hash: Buffer.from(root, 'base64').toString('hex'), time }
}
