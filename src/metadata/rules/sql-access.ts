import type {
  AccessStore,
  LoginFailures,
  LoginSourceRecord,
  RobotRecord,
  SigningKeyRecord,
} from '../access-store.ts'
import type { EncodedAuditRecord, AuditedChange } from '../outbox.ts'
import type { Instant } from '../../instant.ts'
import type { ChangeRunner } from './changes.ts'
import { loginSources, robotByName, robots, signingKeys } from './statements/reads.ts'
import type { Schema } from './queries/schema.ts'
import type { Database } from './database.ts'

/**
 * Robots, signing keys and login sources. They are few and are read without a cache: callers keep what they
 * need.
 */
export class SqlAccess implements AccessStore {
  readonly failures: LoginFailures | undefined
  readonly #database: Database
  readonly #changes: ChangeRunner

  constructor(parts: {
    readonly database: Database
    readonly changes: ChangeRunner
    readonly failures?: LoginFailures
  }) {
    this.failures = parts.failures
    this.#database = parts.database
    this.#changes = parts.changes
  }

  addRobot(robot: RobotRecord, auditRecord?: EncodedAuditRecord): Promise<boolean> {
    return this.#changes.run('addRobot', { ...robot, audited: { auditRecord, now: robot.createdAt } })
  }

  async findRobot(name: string): Promise<RobotRecord | undefined> {
    const row = await this.#database.get(robotByName, { name })
    return row === undefined ? undefined : toRobot(row)
  }

  async listRobots(): Promise<readonly RobotRecord[]> {
    return (await this.#database.all(robots, {})).map(toRobot)
  }

  removeRobot(name: string, audited?: AuditedChange): Promise<boolean> {
    return this.#changes.run('removeRobot', { name, audited })
  }

  async signingKeys(): Promise<readonly SigningKeyRecord[]> {
    const rows = await this.#database.all(signingKeys, {})
    return rows.map(({ id, private_key, created_at }) => ({
      id,
      privateKey: private_key,
      createdAt: created_at,
    }))
  }

  rotateSigningKey(
    key: SigningKeyRecord,
    ages: { readonly rotateAfter: number; readonly forgetAfter: number },
  ): Promise<void> {
    return this.#changes.run('rotateSigningKey', { key, ...ages })
  }

  async loginSources(limit: number): Promise<readonly LoginSourceRecord[]> {
    const rows = await this.#database.all(loginSources, { limit })
    return rows.map(({ name, network, seen_at }) => ({ name, network, seenAt: seen_at }))
  }

  saveLoginSource(
    source: LoginSourceRecord,
    limits: { readonly most: number; readonly forgetBefore: Instant },
  ): Promise<void> {
    return this.#changes.run('saveLoginSource', { ...source, ...limits })
  }
}

function toRobot(row: Schema['robot']): RobotRecord {
  return {
    name: row.name,
    description: row.description ?? undefined,
    secretHash: row.secret_hash,
    credentialId: row.credential_id,
    grants: row.grants,
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
  }
}
