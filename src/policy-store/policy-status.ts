import type { Instant } from '../instant.ts'
import type { UnitProblem } from './policy-source.ts'
import type { GoodUnit, JudgedUnit, PolicyObject } from './unit-book.ts'

/** The state of the policies, for users and metrics. Plain data. */
export interface PolicyStatus {
  readonly source: string
  /** The generation in force; undefined: none is. */
  readonly generation: number | undefined
  readonly hash: string | undefined
  readonly inForceSince: Instant | undefined
  /** When the source last reported; undefined: not yet in this process. */
  readonly lastSync: Instant | undefined
  /** Why the source cannot be read at the moment. */
  readonly away: string | undefined
  /** Whether the policies in force come from disk, because the source has not reported yet. */
  readonly fromDisk: boolean
  /** Whether everything in the source is in force, and the source has reported within the last 10 s. */
  readonly ok: boolean
  readonly units: readonly UnitStatus[]
  /** Other problems, such as a full disk or a clock that was set back. */
  readonly notes: readonly string[]
}

export interface UnitStatus {
  readonly name: string
  readonly problems: readonly UnitProblem[]
  readonly objects: readonly ObjectStatus[]
}

export type ObjectStatus =
  | {
      readonly kind: 'TrowPolicy'
      readonly name: string
      readonly hash: string
      readonly modes: Readonly<Record<string, string>>
      readonly rules: number
      readonly denied: number
    }
  | {
      readonly kind: 'TrowException'
      readonly name: string
      readonly hash: string
      readonly expires: Instant
      readonly isLive: boolean
      readonly policies: readonly string[]
      readonly reason: string
    }

/** Milliseconds without a report after which the source no longer counts as alive. */
export const silenceLimit = 10_000

/** Whether changes of the source are seen now. */
export function isSourceHeard(
  { lastSync, away }: Pick<PolicyStatus, 'lastSync' | 'away'>,
  now: Instant,
): boolean {
  return away === undefined && lastSync !== undefined && now - lastSync <= silenceLimit
}

/** Returns the status of all units that exist or are in force. */
export function unitStatuses(
  judged: readonly JudgedUnit[],
  good: readonly GoodUnit[],
  isLive: (object: PolicyObject) => boolean,
): readonly UnitStatus[] {
  const names = new Set(judged.map(({ name }) => name))
  const all = [
    ...judged.map(({ name, problems, good: unit }) => ({ name, problems, unit })),
    ...good.filter(({ name }) => !names.has(name)).map((unit) => ({ name: unit.name, problems: [], unit })),
  ]
  return all.map(({ name, problems, unit }) => ({
    name,
    problems,
    objects: (unit?.objects ?? []).map((object) => objectStatus(object, isLive)),
  }))
}

/** `ahead`: milliseconds by which the policies' clock is ahead of the wall clock. */
export function clockNote(ahead: number): string[] {
  if (ahead < 60_000) return []
  const seconds = Math.round(ahead / 1000)
  return [`the clock was set back by ${seconds} s: exceptions end by the time that it had before`]
}

function objectStatus(object: PolicyObject, isLive: (object: PolicyObject) => boolean): ObjectStatus {
  const { hash } = object
  if (object.kind === 'TrowPolicy') {
    const { name, modes, rules, deny } = object.value
    return { kind: object.kind, name, hash, modes, rules: rules.length, denied: deny.length }
  }
  const { name, expires, policies, reason } = object.value
  return {
    kind: object.kind,
    name,
    hash,
    expires,
    reason,
    policies: [...policies],
    isLive: isLive(object),
  }
}
