import { z } from 'zod'
import { points } from '../../../policy/trow-policy.ts'
import { runningFindingsSchema } from '../../../scan/running-findings.ts'
import { check } from './check.ts'
import { count, digest, document, list, time } from './document.ts'

const finding = {
  level: z.enum(['error', 'warning']),
  file: z.string(),
  line: z.int(),
  column: z.int(),
  message: z.string(),
}

const refusal = z.object({
  policy: z.string(),
  reason: z.string().describe('a code, such as DENY_LIST'),
  detail: z.string(),
  fix: z.string().optional(),
  rule: z.string().optional().describe('the scope of the rule, or the entry of the deny list'),
})

const problem = z.object({
  place: z.object({ line: z.int(), column: z.int() }).optional(),
  message: z.string(),
})

const exception = {
  name: z.string(),
  hash: digest,
  expires: time,
  isLive: z.boolean(),
  policies: z.array(z.string()),
  reason: z.string(),
}

const policyObject = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('TrowPolicy'),
    name: z.string(),
    hash: digest,
    modes: z.record(z.string(), z.string()).describe('by point'),
    rules: count,
    denied: count,
  }),
  z.object({ kind: z.literal('TrowException'), ...exception }),
])

/** What became of an edit. */
const edit = {
  outcome: z
    .enum(['in-force', 'written', 'unchanged'])
    .describe('in-force: at every door; written: not known to be in force yet, exit code 75'),
  place: z.string().optional().describe('where it is written'),
  hash: digest.optional(),
  generation: z.int().optional().describe('of what is in force now'),
  problems: z.array(problem).optional().describe('why it is not in force, as far as that is known'),
}
const edited = {
  object: z.object({ kind: z.enum(['TrowPolicy', 'TrowException']), name: z.string() }),
  ...edit,
}

const impactSum = z.object({
  total: count.describe('images that were pulled, or pods'),
  refused: count,
  unchecked: count.describe('those whose content the policies would have to see'),
})

const coverage = z.object({
  digest,
  holders: z.array(
    z.object({
      repository: z.string(),
      manifest: digest,
      mediaType: z.string(),
      as: z.enum(['self', 'config', 'layer', 'manifest', 'blob']),
      through: digest,
      tags: z.array(z.string()),
    }),
  ),
  again: z
    .array(
      z.object({
        repository: z.string(),
        manifest: digest,
        shares: z.enum(['config', 'layers']),
        with: digest,
      }),
    )
    .describe('the same image pushed again, which is not covered'),
  pulls: z
    .array(
      z.object({
        user: z.string(),
        repository: z.string(),
        digest,
        reference: z.string().optional(),
        client: z.string().optional(),
        count,
        last: time,
      }),
    )
    .optional()
    .describe('in the last 30 days; absent: the server keeps no audit'),
  isComplete: z.boolean(),
})

const podsRunning = z.object({
  pods: z.array(
    z.object({
      namespace: z.string(),
      pod: z.string(),
      node: z.string(),
      owner: z.object({ apiVersion: z.string(), kind: z.string(), name: z.string() }).optional(),
      isStatic: z.boolean(),
      place: z.string(),
      image: z.string(),
      by: z.enum(['digest', 'name']),
    }),
  ),
  leftOut: count,
})

const quarantined = {
  digest: digest.optional(),
  scope: z.string().optional(),
  reason: z.string().optional(),
  fix: z.string().optional(),
}

export const policyResults = {
  PolicyFinding: document('PolicyFinding', 'A line of trow policy lint', finding),
  PolicyFindingList: list('PolicyFindingList', 'trow policy lint', z.object(finding)),
  PolicyEvaluation: document('PolicyEvaluation', 'trow policy eval', {
    answer: z
      .enum(['allow', 'deny', 'needs'])
      .describe('needs: the policies have to see the content of these images'),
    until: time.optional().describe('from then on the answer may be another'),
    point: z.enum(points),
    images: z.array(
      z.object({
        image: z.string(),
        canonical: z.string().optional(),
        refusals: z.array(refusal).optional(),
        warnings: z.array(refusal).optional(),
        wouldDeny: z.array(refusal).optional().describe('by policies that are only audited'),
        excepted: z.array(z.object({ exception: z.string(), refusal })).optional(),
        unchecked: z.array(refusal).optional(),
      }),
    ),
  }),
  PolicyTest: document('PolicyTest', 'trow policy test', {
    passed: count,
    failed: count,
    failures: z.array(
      z.object({ file: z.string(), name: z.string(), expected: z.string(), got: z.string() }),
    ),
  }),
  PolicyStatus: document('PolicyStatus', 'trow policy status', {
    source: z.string(),
    generation: z.int().optional().describe('absent: none is in force'),
    hash: digest.optional(),
    inForceSince: time.optional(),
    lastSync: time.optional(),
    away: z.string().optional().describe('why the source cannot be read'),
    fromDisk: z.boolean(),
    ok: z.boolean(),
    units: z.array(
      z.object({ name: z.string(), problems: z.array(problem), objects: z.array(policyObject) }),
    ),
    notes: z.array(z.string()),
    floor: z.array(check).describe("of a cluster: whether the API server's floor is that of the policies"),
    running: runningFindingsSchema.optional().describe('what the last scan of running pods found'),
  }),
  PolicyEdit: document('PolicyEdit', 'trow policy deny, allow; trow exception add, expire', edited),
  PolicyEditList: list('PolicyEditList', 'trow policy apply', z.object(edited)),
  PolicyImpact: document('PolicyImpact', 'trow policy impact', {
    since: time,
    pulls: impactSum.optional().describe('absent: there is no audit log'),
    pods: impactSum.optional().describe('absent: no cluster was looked at'),
    rows: z.array(
      z.object({
        source: z.enum(['pull', 'pod']),
        image: z.string(),
        policy: z.string(),
        reason: z.string(),
        detail: z.string(),
        count: count.describe('pulls, or pods'),
        last: time.optional(),
        owners: z.array(z.string()),
        moreOwners: count,
      }),
    ),
    isWhole: z.boolean().describe('false: there were more records of pulls than are looked at'),
  }),
  PolicyException: document('PolicyException', 'A line of trow exception list', exception),
  PolicyExceptionList: list('PolicyExceptionList', 'trow exception list', z.object(exception)),
  Quarantine: document('Quarantine', 'trow quarantine DIGEST', {
    digest,
    ...edit,
    outcome: edit.outcome.optional().describe('absent with --dry-run'),
    coverage: z
      .union([coverage, z.object({ unseen: z.string(), fix: z.string().optional() })])
      .optional()
      .describe('absent with --lift; unseen: why the registry did not tell'),
    running: z.union([podsRunning, z.object({ unseen: z.string() })]).optional(),
  }),
  QuarantinedDigest: document('QuarantinedDigest', 'A line of trow quarantine', quarantined),
  QuarantinedDigestList: list('QuarantinedDigestList', 'trow quarantine', z.object(quarantined)),
}
