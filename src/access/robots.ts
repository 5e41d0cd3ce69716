import { createHash, timingSafeEqual } from 'node:crypto'
import { patternProblem } from '../oci/repository-pattern.ts'
import type { Instant } from '../instant.ts'
import { answerFor, type Verified } from './authority.ts'
import type { FailureDelays } from './failures.ts'
import { actions, robotPrefix, type Action, type Principal, type RobotGrant } from './principal.ts'

/** A stored robot (metadata's AccessStore). */
export interface Robot {
  readonly name: string
  readonly description: string | undefined
  /** SHA-256 of the secret, hexadecimal: the secret is random, so nothing slower is needed. */
  readonly secretHash: string
  readonly credentialId: string
  /** JSON of RobotGrant[]. */
  readonly grants: string
  readonly createdAt: Instant
  readonly expiresAt: Instant | undefined
}

export interface RobotStore {
  findRobot(name: string): Promise<Robot | undefined>
}

const namePattern = /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/
/** A pattern that scanners for leaked secrets find. */
const secretPattern = /^trow_[A-Za-z0-9_-]{43}$/
const wrong = 'the robot is not known or its secret is wrong'

/** Why a text cannot be a robot's name (without `robot+`), as text; undefined: it can. */
export function robotNameProblem(name: string): string | undefined {
  if (name.length > 64) return 'a robot name has at most 64 characters'
  if (namePattern.test(name)) return undefined
  return 'a robot name is lowercase letters and digits with single . _ or - between them'
}

/** Why grants are not a valid scope, as text; undefined: they are. */
export function grantsProblem(grants: readonly RobotGrant[]): string | undefined {
  if (grants.length === 0) return 'a robot needs at least one repository pattern and one action'
  for (const grant of grants) {
    if (grant.repositories.length === 0) return 'a robot needs at least one repository pattern'
    if (grant.actions.length === 0) return 'a robot needs at least one action'
    for (const action of grant.actions)
      if (!actions.includes(action)) return `there is no action "${action}"; there are ${actions.join(', ')}`
    for (const pattern of grant.repositories) {
      const problem = patternProblem(pattern)
      if (problem !== undefined) return `the pattern "${pattern}" matches nothing: ${problem}`
    }
  }
  return undefined
}

/** A new robot and its secret, `trow_` and 32 random bytes in base64url: to be shown once. `random`: 40 bytes. */
export function makeRobot(
  wanted: {
    readonly name: string
    readonly description: string | undefined
    readonly grants: readonly RobotGrant[]
    readonly expiresAt: Instant | undefined
  },
  parts: { readonly now: Instant; readonly random: Uint8Array },
): { readonly robot: Robot; readonly secret: string } {
  const bytes = Buffer.from(parts.random)
  if (bytes.length < 40) throw new Error('a robot needs 40 random bytes')
  const secret = `trow_${bytes.subarray(0, 32).toString('base64url')}`
  const robot = {
    ...wanted,
    secretHash: hashSecret(secret).toString('hex'),
    credentialId: bytes.subarray(32, 40).toString('hex'),
    grants: JSON.stringify(wanted.grants),
    createdAt: parts.now,
  }
  return { robot, secret }
}

/** Robots: the user name is `robot+NAME`, the password the secret. */
export class Robots {
  readonly #store: RobotStore
  readonly #delays: FailureDelays
  readonly #now: () => Instant

  constructor(parts: {
    readonly store: RobotStore
    readonly delays: FailureDelays
    readonly now: () => Instant
  }) {
    this.#store = parts.store
    this.#delays = parts.delays
    this.#now = parts.now
  }

  /**
   * The correct secret is accepted even while attempts on the name are delayed: 32 random bytes cannot be
   * guessed.
   */
  async verify(username: string, secret: string, source: string): Promise<Verified> {
    const now = this.#now()
    const robot = secretPattern.test(secret) ? await this.#store.findRobot(bare(username)) : undefined
    const right =
      robot !== undefined && timingSafeEqual(hashSecret(secret), Buffer.from(robot.secretHash, 'hex'))
    if (!right) {
      await this.#delays.learn(username, source)
      const attempt = this.#delays.begin(username, source)
      if (attempt.kind === 'go') {
        await attempt.failed()
        return { ok: false, kind: 'refused', reason: wrong, until: now }
      }
      const retryAfter = Math.ceil(attempt.milliseconds / 1000)
      const reason = 'there were too many wrong attempts: wait before the next'
      return { ok: false, kind: 'throttled', reason, retryAfter, until: now }
    }
    const principal = principalOf(robot)
    if (robot.expiresAt !== undefined && robot.expiresAt <= now) {
      const reason = `the secret of ${principal.name} expired on ${new Date(robot.expiresAt).toISOString()}`
      return { ok: false, kind: 'refused', reason, until: now + answerFor }
    }
    return { ok: true, principal, until: Math.min(now + answerFor, robot.expiresAt ?? Infinity) }
  }

  /** The present principal of a robot; undefined: it was removed or has expired. */
  async find(username: string): Promise<Principal | undefined> {
    const robot = await this.#store.findRobot(bare(username))
    if (robot === undefined || (robot.expiresAt !== undefined && robot.expiresAt <= this.#now()))
      return undefined
    return principalOf(robot)
  }
}

export function parseGrants(json: string): readonly RobotGrant[] {
  const grants = JSON.parse(json) as { readonly repositories: string[]; readonly actions: Action[] }[]
  return grants.map(({ repositories, actions: each }) => ({ repositories, actions: each }))
}

function principalOf(robot: Robot): Principal {
  return {
    kind: 'robot',
    name: `${robotPrefix}${robot.name}`,
    groups: [],
    reviewable: false,
    credentialId: robot.credentialId,
    scope: parseGrants(robot.grants),
    ...(robot.expiresAt === undefined ? {} : { expiresAt: robot.expiresAt }),
  }
}

function bare(username: string): string {
  return username.startsWith(robotPrefix) ? username.slice(robotPrefix.length) : ''
}

function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}
