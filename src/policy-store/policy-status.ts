import type { Instant } from '../instant.ts'
import type { UnitProblem } from './policy-source.ts'
import type { GoodUnit, JudgedUnit, PolicyObject } from './unit-book.ts'

/** How the policies are, for people and metrics. Plain data. */
export interface PolicyStatus {
  readonly source: string
  /** Of what is in force; undefined: nothing is. */
  readonly generation: number | undefined
  readonly hash: string | undefined
  readonly inForceSince: Instant | undefined
  /** When the source was heard last; undefined: never by this process. */
  readonly lastSync: Instant | undefined
  /** Why the source cannot be read now. */
  readonly away: string | undefined
  /** Whether what is in force was kept on disk, and the source was not heard yet. */
  readonly fromDisk: boolean
  /** Whether all that the source has is in force, and it was heard within 10 s. */
  readonly ok: boolean
  readonly units: readonly UnitStatus[]
  /** What else is wrong: a disk that is full, a clock that was set back. */
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

/** Milliseconds after which a source that was not heard is not taken for alive. */
export const silenceLimit = 10_000

/** Of all units that are there or in force. */
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

/** `ahead`: of the clock of policies, by milliseconds, to the wall clock. */
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
