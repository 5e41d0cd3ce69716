import type { ChangeNote, Noted } from './outbox.ts'
import type { Instant } from '../instant.ts'

export interface RobotRecord {
  readonly name: string
  readonly description: string | undefined
  /** SHA-256 of the secret, which is random: hexadecimal. */
  readonly secretHash: string
  /** Names the secret in the audit. */
  readonly credentialId: string
  /** What it may do, as JSON. */
  readonly grants: string
  readonly createdAt: Instant
  /** Undefined: never. */
  readonly expiresAt: Instant | undefined
}

export interface SigningKeyRecord {
  readonly id: string
  /** PKCS #8 PEM. */
  readonly privateKey: string
  readonly createdAt: Instant
}

/** From where a name was used with success: an address, or an IPv6 /64. */
export interface LoginSourceRecord {
  readonly name: string
  readonly network: string
  readonly seenAt: Instant
}

/** Robots and signing keys, shared by all workers and replicas. Changes are durable when they resolve, but for `saveLoginSource`. */
export interface AccessStore {
  /** False when the name is taken. */
  addRobot(robot: RobotRecord, note?: ChangeNote): Promise<boolean>
  findRobot(name: string): Promise<RobotRecord | undefined>
  listRobots(): Promise<readonly RobotRecord[]>
  /** False when there was none. */
  removeRobot(name: string, noted?: Noted): Promise<boolean>
  /** Newest first. */
  signingKeys(): Promise<readonly SigningKeyRecord[]>
  /** Adds the key unless one that is newer than `unlessNewerThan` is there; forgets those made before `forgetBefore`. */
  rotateSigningKey(
    key: SigningKeyRecord,
    limits: { readonly unlessNewerThan: Instant; readonly forgetBefore: Instant },
  ): Promise<void>
  /** The newest, at most `limit`. */
  loginSources(limit: number): Promise<readonly LoginSourceRecord[]>
  /** Keeps of each name the newest `most`, and none from before `forgetBefore`. Need not survive a power cut. */
  saveLoginSource(
    source: LoginSourceRecord,
    limits: { readonly most: number; readonly forgetBefore: Instant },
  ): Promise<void>
}
