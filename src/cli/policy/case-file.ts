import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { isDigest, type Digest } from '../../oci/digest.ts'
import type { ContentFact } from '../../policy/image-content.ts'
import { printProblem } from '../../policy/load-problem.ts'
import { fields, parseShape } from '../../policy/load-problem.ts'
import { reasons, type ReasonCode } from '../../policy/reasons.ts'
import { points, type Point } from '../../policy/trow-policy.ts'
import { reasonOf } from '../../reason-of.ts'
import type { TextPlace } from '../../policy-store/policy-source.ts'
import { readYamlDocuments } from '../../policy-store/yaml-documents.ts'
import { exitCode, UserError } from '../../user-error.ts'

/** A question to the policies, and the expected decision. */
export interface PolicyCase {
  readonly name: string
  readonly image: string
  readonly namespace: string | undefined
  readonly point: Point
  readonly expect: 'allow' | 'deny' | 'needs'
  /** The reason of the first refusal. */
  readonly reason: ReasonCode | undefined
}

export interface CaseFile {
  /** Absolute paths. */
  readonly policies: readonly string[]
  readonly ownHosts: readonly string[]
  /** Milliseconds since 1970; `undefined` means the time of the run. */
  readonly now: number | undefined
  /** Facts by canonical image name. */
  readonly facts: ReadonlyMap<string, ContentFact>
  readonly cases: readonly PolicyCase[]
}

const digests = z.array(z.string().refine(isDigest, 'must be a digest'))
const fact = z.union(
  [
    z.enum(['absent', 'FACT_PENDING', 'FACT_TIMEOUT', 'FACT_UPSTREAM']),
    fields({
      digests: digests.min(1, 'must have one'),
      contains: digests.optional(),
      platforms: z.array(z.string()).optional(),
      listedBy: z.array(z.array(z.string())).optional(),
      size: z.number().int().min(0).optional(),
      isEvidence: z.boolean().optional(),
    }),
  ],
  { error: 'must be "absent", a FACT_ code, or an object with digests' },
)
const codes = Object.keys(reasons) as [ReasonCode, ...ReasonCode[]]
const schema = fields({
  policies: z.array(z.string()).min(1, 'must name a file or a folder'),
  ownHosts: z.array(z.string()).optional(),
  now: z.iso
    .datetime({ offset: true, error: 'must be a time with its zone: 2026-12-10T00:00:00Z' })
    .optional(),
  facts: z.record(z.string(), fact).optional(),
  cases: z
    .array(
      fields({
        name: z.string().min(1, 'must not be empty'),
        image: z.string(),
        namespace: z.string().optional(),
        point: z.enum(points).optional(),
        expect: z.enum(['allow', 'deny', 'needs']),
        reason: z.enum(codes, { error: 'must be a reason code: NOT_ALLOWED' }).optional(),
      }).refine(
        ({ expect, reason }) => expect === 'deny' || reason === undefined,
        'only a denial has a reason',
      ),
    )
    .min(1, 'must hold a case'),
})

/** Throws UserError POLICY_UNREADABLE, POLICY_INVALID. */
export function readCaseFile(file: string): CaseFile {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new UserError('POLICY_UNREADABLE', `${file} cannot be read: ${reasonOf(cause)}`, {
      hint: 'Name a file with cases.',
      cause,
      exitCode: exitCode.usage,
    })
  }
  const [document, ...more] = readYamlDocuments(text)
  if (document === undefined || more.length > 0) throw invalid(file, undefined, 'it must hold one document')
  if ('message' in document) throw invalid(file, document.place, document.message)
  const shape = parseShape(document.value, schema)
  if (shape.kind === 'refused') {
    const [problem = { path: [], message: 'it cannot be used' }] = shape.problems
    throw invalid(file, document.placeOf(problem.path), printProblem(problem))
  }
  const { policies, ownHosts = [], now, facts = {}, cases } = shape.value
  return {
    policies: policies.map((path) => resolve(dirname(file), path)),
    ownHosts,
    now: now === undefined ? undefined : Date.parse(now),
    facts: new Map(Object.entries(facts).map(([name, recorded]) => [name, factOf(recorded)])),
    cases: cases.map((each) => ({
      ...each,
      namespace: each.namespace,
      point: each.point ?? 'admission',
      reason: each.reason,
    })),
  }
}

function factOf(recorded: z.infer<typeof fact>): ContentFact {
  if (recorded === 'absent') return { kind: 'absent' }
  if (typeof recorded === 'string') return { kind: 'failed', reason: recorded }
  const {
    digests: own,
    contains = [],
    platforms = [],
    listedBy = [],
    size = 0,
    isEvidence = false,
  } = recorded
  return {
    kind: 'known',
    content: {
      digests: own as Digest[],
      contains: contains as Digest[],
      platforms,
      listedBy,
      size,
      isEvidence,
    },
  }
}

function invalid(file: string, place: TextPlace | undefined, message: string): UserError {
  const at = place === undefined ? file : `${file}:${place.line}:${place.column}`
  return new UserError('POLICY_INVALID', `${at}: ${message}`)
}
