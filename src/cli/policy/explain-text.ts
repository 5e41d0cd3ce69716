import { z } from 'zod'
import type { AuditEvent } from '../../audit/event-schema.ts'
import { reasons, type ReasonCode } from '../../policy/reasons.ts'
import { quarantinePolicy } from './quarantine-list.ts'

/** `policy` of an event's data; an older or edited log may hold anything. */
const findings = z
  .array(
    z.object({
      policy: z.string(),
      outcome: z.string(),
      reason: z.string(),
      rule: z.string().optional(),
      exception: z.string().optional(),
    }),
  )
  .catch([])
type Finding = z.infer<typeof findings>[number]

const part = z.looseObject({ auth: z.string().optional(), userAgent: z.string().optional() }).catch({})

export function explainText({ time, data }: AuditEvent): string {
  const { action = 'request', decision = '', actor, client, repository, reference, digest, reason } = data
  const { auth } = part.parse(actor)
  const { userAgent } = part.parse(client)
  const what = imageText(repository, reference)
  const lines = [
    `${verdicts[decision] ?? decision}  ${action} of ${what}`,
    `when     ${time}`,
    `who      ${actor?.user ?? 'unknown'}${auth === undefined ? '' : ` (${auth})`}`,
    ...(client?.ip === undefined || client.ip === ''
      ? []
      : [`from     ${client.ip}${userAgent === undefined || userAgent === '' ? '' : `, ${userAgent}`}`]),
    ...(digest === undefined || digest === reference ? [] : [`digest   ${digest}`]),
    ...(reason === undefined ? [] : [`said     ${reason}`]),
  ]
  const found = findings.parse(data['policy'])
  const policies = found.flatMap((each) => ['', ...findingLines(each, repository)])
  const none =
    found.length === 0 ? ['', 'no policy has a part in it: access rules decide before policies'] : []
  return `${[...lines, ...policies, ...none].join('\n')}\n`
}

const verdicts: Readonly<Record<string, string>> = { allow: 'allowed', deny: 'denied', error: 'failed' }

const outcomes: Readonly<Record<string, string>> = {
  denied: 'refuses it',
  warned: 'would refuse it, and warns',
  'would-deny': 'would refuse it, and records that',
  excepted: 'would refuse it, and an exception lifts that',
  unchecked: 'could not check it, and lets it pass then (onError: allow)',
}

function findingLines(finding: Finding, repository: string | undefined): string[] {
  const { policy, outcome, reason, rule, exception } = finding
  const by = policy === '' ? 'setting policy-unjudged' : `policy ${policy}`
  const lines = [
    `${by}  ${outcomes[outcome] ?? outcome}`,
    `  reason   ${reason}${isReason(reason) ? `: ${reasons[reason]}` : ''}`,
    ...(rule === undefined ? [] : [`  rule     ${rule}`]),
    ...(exception === undefined ? [] : [`  lifted   by exception ${exception}`]),
  ]
  if (outcome !== 'denied' && outcome !== 'warned' && outcome !== 'would-deny') return lines
  const ways = isReason(reason) ? waysOf[reason](finding, scopeOf(repository)) : []
  return [...lines, ...ways.map((way, index) => `  ${index === 0 ? 'to pass ' : '     or '} ${way}`)]
}

function isReason(code: string): code is ReasonCode {
  return Object.hasOwn(reasons, code)
}

type Ways = (finding: Finding, scope: string) => readonly string[]

const rename: Ways = () => ['write the name as docs/policy.md, "Names", says']
const again: Ways = () => ['try again: it was not refused, it could not be checked']
const except = ({ policy }: Finding, image: string, flags = ''): string =>
  `trow exception add NAME --policy ${policy} --image ${image} --in-namespace '*' --reason TEXT --expires 7d${flags}`

/** What makes a refusal end, for each reason. */
const waysOf: Readonly<Record<ReasonCode, Ways>> = {
  REF_EMPTY: rename,
  REF_LONG: rename,
  REF_SYNTAX: rename,
  REF_SHORT: rename,
  REF_ID: rename,
  REF_HOST: rename,
  REF_PORT: rename,
  REF_IPV4: rename,
  REF_PROXY: rename,
  REF_LOOP: rename,
  REF_DIGEST: rename,
  DENY_LIST: (finding, scope) => {
    const { policy, rule = scope } = finding
    const off =
      policy === quarantinePolicy
        ? `trow quarantine ${rule} --lift`
        : `trow policy allow ${rule} --policy ${policy}`
    return [off, except(finding, scope, ' --override-deny')]
  },
  NOT_ALLOWED: (finding, scope) => [
    `trow policy allow ${scope} --policy ${finding.policy}`,
    except(finding, scope),
  ],
  NO_POLICY: () => ['a policy that covers it, or the setting policy-unjudged: allow'],
  HOST_SPELLING: rename,
  DIGEST_REQUIRED: (finding, scope) => ['name it with its digest: NAME@sha256:…', except(finding, scope)],
  TAG_DENIED: (finding, scope) => ['use another tag, or the digest', except(finding, scope)],
  NOT_PRESENT: () => ['push it first, or correct the name'],
  PLATFORM: (finding, scope) => ['push it for the platforms of the rule', except(finding, scope)],
  SIZE: (finding, scope) => ['make it smaller, or the rule’s maxSize larger', except(finding, scope)],
  FACT_PENDING: again,
  FACT_TIMEOUT: again,
  FACT_UPSTREAM: again,
}

/** Of an image in this registry. */
function scopeOf(repository: string | undefined): string {
  return repository === undefined ? 'SCOPE' : `@trow/${repository}`
}

function imageText(repository: string | undefined, reference: string | undefined): string {
  if (repository === undefined || reference === undefined) return repository ?? reference ?? 'nothing named'
  return `${repository}${reference.includes(':') ? '@' : ':'}${reference}`
}
