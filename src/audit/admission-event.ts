import { counted } from '../counted.ts'
import { encodeAuditRecord, type AuditRecord, type PolicyRecord } from './audit-record.ts'

/**
 * What an admission pod reports: a decision, a change of a policy that it let through, what has become of webhook or
 * break-glass, or that records were lost.
 */
export type AdmissionEvent = Decided | Announced | Observed | Lost

interface Reported {
  /** A UUID; `trow policy explain` finds the record by it. A report that is sent again has the same one. */
  readonly id: string
  /** Milliseconds since 1970, by the clock of the admission pod. */
  readonly time: number
}

/** The user is the one that the API server has authenticated. */
interface Reviewed extends Reported {
  readonly user: string
  readonly groups: readonly string[]
  readonly operation: string
  /** `Pod/web-1`. */
  readonly object: string
}

export interface Decided extends Reviewed {
  readonly kind: 'decision'
  readonly namespace: string | undefined
  /** `denied`, `warned`, `would-deny`, `excepted`, `unchecked`. */
  readonly outcome: string
  /** As they were written, at most 32. */
  readonly images: readonly string[]
  readonly policy: readonly PolicyRecord[]
  /** Of the account's rights to the repositories that the pod names, a line each. */
  readonly tenants: readonly string[]
}

export interface Announced extends Reviewed {
  readonly kind: 'policy'
  /** Of the spec as policies are hashed; undefined: the object is deleted. */
  readonly hash: string | undefined
}

export interface Observed extends Reported {
  readonly kind: 'observed'
  readonly action: 'webhook-change' | 'break-glass'
  /** A field manager; empty: nobody can say. */
  readonly manager: string
  readonly reason: string
}

export interface Lost extends Reported {
  readonly kind: 'gap'
  readonly count: number
  /** Milliseconds since 1970: of the first and the last that were lost. */
  readonly since: number
  readonly until: number
}

/** Which log an event belongs to: decisions are to a tenant's liking many, and have a size of their own. */
export interface AdmissionAuditRecord {
  readonly log: 'changes' | 'denials'
  readonly text: string
}

/** Events of one report. */
export const mostEvents = 256
const mostImages = 32
const longestText = 1024

/** Undefined: it is not a report. Written without zod, which would cost 14 MB in each worker. */
export function parseAdmissionEvents(body: Uint8Array): readonly AdmissionEvent[] | undefined {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(body).toString('utf8'))
  } catch {
    return undefined
  }
  const list = isObject(value) ? value['events'] : undefined
  if (!Array.isArray(list) || list.length > mostEvents) return undefined
  const events = list.map((each) => eventOf(each))
  return events.every((each) => each !== undefined) ? events : undefined
}

/** `reporter`: the account that handed it in. */
export function admissionAuditRecord(
  event: AdmissionEvent,
  reporter: { readonly name: string; readonly address: string; readonly route: string },
): AdmissionAuditRecord {
  const { id, time } = event
  const all = {
    id,
    time,
    repository: undefined,
    client: { address: reporter.address, userAgent: '' },
    request: { id, method: 'POST', route: reporter.route },
    status: undefined,
  }
  if (event.kind === 'gap') {
    const { count, since, until } = event
    const admission = { reporter: reporter.name, unrecorded: { count, since: iso(since), until: iso(until) } }
    return recordOf('changes', {
      ...all,
      action: 'admission-gap',
      outcome: 'failed',
      reason: `${counted(count, 'decision')} of admission not recorded: the registry was away for too long`,
      actor: actorOf(reporter.name, []),
      reference: undefined,
      facts: { admission },
    })
  }
  if (event.kind === 'observed') {
    const { action, manager, reason } = event
    return recordOf('changes', {
      ...all,
      action,
      outcome: 'allowed',
      reason,
      actor: { ...actorOf(manager === '' ? '' : `field manager ${manager}`, []), kind: 'field-manager' },
      reference: undefined,
      facts: { admission: { reporter: reporter.name } },
    })
  }
  const actor = actorOf(event.user, event.groups)
  const { operation, object } = event
  if (event.kind === 'policy') {
    return recordOf('changes', {
      ...all,
      action: 'policy-review',
      outcome: 'allowed',
      reason: 'the webhook let it through; it is in force only where a record of the change says so',
      actor,
      reference: object,
      facts: { admission: { reporter: reporter.name, operation, hash: event.hash } },
    })
  }
  const { namespace, outcome, images, policy, tenants } = event
  return recordOf('denials', {
    ...all,
    action: 'admission',
    outcome: outcome === 'denied' ? 'denied' : 'allowed',
    reason: reasonOf(event),
    actor,
    reference: namespace === undefined ? object : `${namespace}/${object}`,
    policy,
    facts: {
      admission: { reporter: reporter.name, outcome, operation, namespace, object, images, tenants },
    },
  })
}

function recordOf(log: AdmissionAuditRecord['log'], record: AuditRecord): AdmissionAuditRecord {
  return { log, text: encodeAuditRecord(record) }
}

function reasonOf({ policy, tenants }: Decided): string {
  const findings = policy.map(({ policy: name, reason, exception }) => {
    const by = name === '' ? 'the settings' : `policy ${name}`
    return exception === undefined ? `${by}: ${reason}` : `${by}: ${reason}, exception ${exception}`
  })
  return [...new Set([...findings, ...tenants])].join('; ')
}

function actorOf(name: string, groups: readonly string[]): AuditRecord['actor'] {
  const [, namespace, account] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name) ?? []
  return {
    name,
    groups,
    kind: 'api-server',
    credentialId: undefined,
    serviceAccount:
      namespace === undefined || account === undefined ? undefined : { namespace, name: account },
    pod: undefined,
    node: name.startsWith('system:node:') ? name.slice('system:node:'.length) : undefined,
  }
}

function eventOf(value: unknown): AdmissionEvent | undefined {
  if (!isObject(value)) return undefined
  const { kind, id, time } = value
  if (typeof id !== 'string' || !/^[\w-]{1,64}$/.test(id) || !isTime(time)) return undefined
  if (kind === 'gap') {
    const { count, since, until } = value
    if (!isCount(count) || !isTime(since) || !isTime(until)) return undefined
    return { kind, id, time, count, since, until }
  }
  if (kind === 'observed') {
    const { action, manager, reason } = value
    if ((action !== 'webhook-change' && action !== 'break-glass') || !isText(manager) || !isText(reason))
      return undefined
    return { kind, id, time, action, manager, reason }
  }
  const { user, groups, operation, object } = value
  if (!isText(user) || !isTexts(groups, 1000) || !isText(operation) || !isText(object)) return undefined
  const reviewed = { id, time, user, groups, operation, object }
  if (kind === 'policy') {
    const { hash } = value
    return isOptionalText(hash) ? { kind, ...reviewed, hash } : undefined
  }
  const { namespace, outcome, images, policy, tenants } = value
  if (kind !== 'decision' || !isOptionalText(namespace) || !isText(outcome)) return undefined
  if (!isTexts(images, mostImages) || !isTexts(tenants, mostImages)) return undefined
  if (!Array.isArray(policy) || !policy.every(isPolicyRecord)) return undefined
  return { kind, ...reviewed, namespace, outcome, images, policy, tenants }
}

function isPolicyRecord(value: unknown): value is PolicyRecord {
  if (!isObject(value)) return false
  const { policy, outcome, reason, rule, exception } = value
  return (
    isText(policy) && isText(outcome) && isText(reason) && isOptionalText(rule) && isOptionalText(exception)
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= longestText
}

function isOptionalText(value: unknown): value is string | undefined {
  return value === undefined || isText(value)
}

function isTexts(value: unknown, most: number): value is readonly string[] {
  return Array.isArray(value) && value.length <= most && value.every(isText)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

/** Until the year 9999, which a date of RFC 3339 can say. */
function isTime(value: unknown): value is number {
  return isCount(value) && value < 253_402_300_800_000
}

function iso(time: number): string {
  return new Date(time).toISOString()
}
