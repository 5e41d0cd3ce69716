import type { EncodedAuditRecord, AuditedChange } from './outbox.ts'
import type { Instant } from '../instant.ts'

export interface RobotRecord {
  readonly name: string
  readonly description: string | undefined
  /** SHA-256 of the secret, in hexadecimal. The secret is random, so a fast hash without a salt is enough. */
  readonly secretHash: string
  /** The secret's name in audit records. */
  readonly credentialId: string
  /** The robot's permissions, as JSON. */
  readonly grants: string
  readonly createdAt: Instant
  /** Undefined: the robot never expires. */
  readonly expiresAt: Instant | undefined
}

export interface SigningKeyRecord {
  readonly id: string
  /** PKCS #8 PEM. */
  readonly privateKey: string
  readonly createdAt: Instant
}

/** An address, or an IPv6 /64, from which a login with this name has succeeded. */
export interface LoginSourceRecord {
  readonly name: string
  readonly network: string
  readonly seenAt: Instant
}

/** The counts that a login is about, by their keys; and the name and network of which a success may be known. */
export interface LoginTrial {
  readonly keys: { readonly pair: string; readonly source: string; readonly user: string }
  readonly name: string
  readonly network: string
}

/** Failures that are added to a count. */
export interface LoginFailure {
  readonly key: string
  readonly count: number
  /** By how much the count sinks in a second, down to 0. */
  readonly drain: number
}

export interface LoginFailureCount {
  /** What is left of it by now. */
  readonly count: number
  /** Milliseconds since it was added to. */
  readonly age: number
}

/** Counts of failed logins, for all processes of a registry. A count ends a quarter of an hour after the last failure. */
export interface LoginFailures {
  /** One question. `seenAt`: when this name has succeeded from this network; undefined: it is not known to have. */
  look(trial: LoginTrial): Promise<{
    readonly counts: ReadonlyMap<string, LoginFailureCount>
    readonly seenAt: Instant | undefined
  }>
  /** Need not survive a crash of the engine; nor does `clear`. Keys are different ones. */
  add(more: readonly LoginFailure[]): Promise<void>
  clear(key: string): Promise<void>
}

/**
 * Robots and signing keys, shared by all workers and replicas. Changes are durable when they resolve, except
 * `saveLoginSource`.
 */
export interface AccessStore {
  /** False when the name is taken. */
  addRobot(robot: RobotRecord, auditRecord?: EncodedAuditRecord): Promise<boolean>
  findRobot(name: string): Promise<RobotRecord | undefined>
  listRobots(): Promise<readonly RobotRecord[]>
  /** False when there was no such robot. */
  removeRobot(name: string, audited?: AuditedChange): Promise<boolean>
  /** Newest first. */
  signingKeys(): Promise<readonly SigningKeyRecord[]>
  /**
   * Adds the key unless one younger than `rotateAfter` milliseconds exists; deletes the keys that were followed by
   * another one more than `forgetAfter` ago. A store with a clock of its own goes by that, and sets `createdAt`.
   */
  rotateSigningKey(
    key: SigningKeyRecord,
    ages: { readonly rotateAfter: number; readonly forgetAfter: number },
  ): Promise<void>
  /** Newest first, at most `limit`. */
  loginSources(limit: number): Promise<readonly LoginSourceRecord[]>
  /**
   * Keeps the newest `most` sources of each name and deletes those older than `forgetBefore`. Need not
   * survive a power cut.
   */
  saveLoginSource(
    source: LoginSourceRecord,
    limits: { readonly most: number; readonly forgetBefore: Instant },
  ): Promise<void>
  /** Undefined: no other process can serve the registry. */
  readonly failures: LoginFailures | undefined
}
