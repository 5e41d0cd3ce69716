import type { Log } from '../log.ts'
import type { ExceptionSettings } from '../policy/trow-exception.ts'
import { reasonOf } from '../reason-of.ts'
import type { KeptPolicies, KeptSet } from './kept-policies.ts'
import type { PolicySource } from './policy-source.ts'
import { loadObjects, type GoodUnit } from './unit-book.ts'

export interface LastGood {
  readonly generation: number
  readonly units: readonly GoodUnit[]
}

/**
 * Reads the last good set of this source from disk. Undefined: there is none, or it cannot be used; the
 * latter is logged.
 */
export function readLastGood(
  { kept, source, log }: { readonly kept: KeptPolicies; readonly source: PolicySource; readonly log: Log },
  settings: ExceptionSettings,
): LastGood | undefined {
  let set: KeptSet | undefined
  try {
    set = kept.readSet()
  } catch (error) {
    log.error('the policies that were last good cannot be read', { reason: reasonOf(error) })
  }
  if (set === undefined || set.source !== source.name) return undefined
  // The units were valid when they were stored: a setting that is stricter now must not remove a policy.
  const lenient = { ...settings, longestException: Infinity, requireTicket: false }
  const units = set.units.map((unit) => ({ unit, ...loadObjects(unit.documents, lenient) }))
  const broken = units.find(({ problems }) => problems.length > 0)
  if (broken === undefined)
    return { generation: set.generation, units: units.map(({ unit, objects }) => ({ ...unit, objects })) }
  const reason = `${broken.unit.name}: ${broken.problems[0]?.message}`
  log.error('the policies that were last good do not load any more', { reason })
  return undefined
}
