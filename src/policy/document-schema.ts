import { z } from 'zod'
import { tagPattern } from '../oci/tag.ts'
import { fields, later } from './load-problem.ts'
import { sizePattern } from './size.ts'

// `meta` is what the CustomResourceDefinitions say in the place of a check that OpenAPI cannot express.

export const apiVersion = 'policy.trow.io/v1alpha1'

/** Limits of one object, so that an API server can store it. */
export const documentLimits = {
  rules: 10_000,
  deniedDigests: 10_000,
  deniedScopes: 10_000,
  /** Bytes of the spec as JSON. */
  bytes: 1_500_000,
} as const

/** RFC 1123 names, as cluster-scoped objects have. */
const label = '[a-z0-9](?:[a-z0-9-]*[a-z0-9])?'
const objectName = z
  .string()
  .max(253, 'has at most 253 characters')
  .regex(
    new RegExp(`^${label}(?:\\.${label})*$`),
    'must be lower-case letters, digits, dashes and dots: my-policy',
  )

/** Other metadata fields belong to the API server. */
const metadata = z.looseObject({
  name: objectName,
  namespace: z
    .never({ error: 'the object belongs to the whole cluster and is in no namespace: leave it out' })
    .optional(),
  creationTimestamp: z.string().nullish(),
})

const modes = ['enforce', 'warn', 'audit', 'off'] as const
const mode = z.enum(modes)
export type Mode = z.infer<typeof mode>

/** The content of a scope is checked after the document's shape. */
const scope = z.string().max(512, 'has at most 512 characters')
/** Of content that is kept under its SHA-256 digest nobody knows the SHA-512 digest: it would deny nothing. */
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, {
  error: ({ input }) =>
    String(input).startsWith('sha512:')
      ? 'is a sha512 digest: write the sha256 digest of the same bytes, which names them under both'
      : 'must be sha256: and 64 lower-case hexadecimal digits',
})

/** Text for people, shown within one line of a message. */
function line(limit: number): z.ZodString {
  return z
    .string()
    .min(1, 'must not be empty')
    .max(limit, `has at most ${limit} characters`)
    .regex(/^[^\p{Cc}\p{Cf}\u2028\u2029]*$/u, 'must be one line without control characters')
}

const namespacePattern = z
  .string()
  .regex(
    /^(?!.*\*\*)[a-z0-9*](?:[a-z0-9*-]{0,61}[a-z0-9*])?$/,
    'must be a namespace, or with * for a part of it',
  )
  // RE2 looks at nothing twice: two stars in a row are left to trow.
  .meta({ pattern: '^[a-z0-9*](?:[a-z0-9*-]{0,61}[a-z0-9*])?$' })

function namespaces(problem: string): z.ZodArray<z.ZodString> {
  return z.array(namespacePattern).min(1, problem).max(1000, 'has at most 1000 entries')
}

const platform = z
  .string()
  .regex(/^[a-z0-9]{1,20}\/[a-z0-9]{1,20}(?:\/[a-z0-9.]{1,20})?$/, 'must be OS/ARCHITECTURE: linux/amd64')

const requirements = fields({
  digest: z.literal(true).optional(),
  present: z.literal(true).optional(),
  tags: fields({
    deny: z
      .array(z.string().regex(tagPattern, 'must be a tag'))
      .min(1, 'must name at least one tag')
      .max(1000, 'has at most 1000 entries'),
  }).optional(),
  platforms: z
    .array(platform)
    .min(1, 'must name at least one platform')
    .max(100, 'has at most 100 entries')
    .optional(),
  maxSize: z.string().regex(sizePattern, 'must be a size with its unit: 512MiB, 2GiB').optional(),
  signedBy: later('the verification of signatures'),
  attestations: later('the verification of attestations'),
  minFirstSeen: later('rules over time'),
  noRollback: later('rules over time'),
  maxAge: later('rules over time'),
})
  .refine((given) => Object.keys(given).length > 0, 'must require something')
  .meta({ minProperties: 1 })

const rule = fields({
  scope,
  unverified: z.literal(true).optional(),
  require: requirements.optional(),
})
  .refine(
    ({ unverified, require }) => (unverified === undefined) !== (require === undefined),
    'must have either "unverified: true", which accepts by name alone, or "require"',
  )
  .meta(eitherOf('unverified', 'require'))

const entry = fields({ scope: scope.optional(), digest: digest.optional() })
const one = ({ scope, digest }: z.infer<typeof entry>): boolean =>
  (scope === undefined) !== (digest === undefined)
const oneProblem = 'must have either "scope" or "digest"'

function eitherOf(...names: readonly string[]): Record<string, unknown> {
  return { oneOf: names.map((name) => ({ required: [name] })) }
}

export const policySchema = fields({
  apiVersion: z.literal(apiVersion),
  kind: z.literal('TrowPolicy'),
  metadata,
  spec: fields({
    mode,
    at: fields({
      admission: mode.optional(),
      pull: mode.optional(),
      push: mode.optional(),
      scan: mode.optional(),
    }).optional(),
    namespaces: fields({
      include: namespaces('selects nothing: leave it out, or name a namespace').optional(),
      exclude: namespaces('excludes nothing: leave it out').optional(),
    }).optional(),
    default: z.enum(['deny', 'pass']),
    onError: z.enum(['deny', 'allow']).optional(),
    deny: z
      .array(
        fields({ ...entry.shape, reason: line(200), fix: line(200).optional() })
          .refine(one, oneProblem)
          .meta(eitherOf('scope', 'digest')),
      )
      .max(documentLimits.deniedDigests + documentLimits.deniedScopes, 'has at most 20000 entries')
      .optional(),
    rules: z.array(rule).max(documentLimits.rules, `has at most ${documentLimits.rules} entries`).optional(),
    pin: later('the choice of a tag’s digest by trow'),
    onMovedTag: later('the choice of a tag’s digest by trow'),
    signers: later('the verification of signatures'),
  }),
  /** Written by trow and never read. */
  status: z.unknown().optional(),
})

export const exceptionSchema = fields({
  apiVersion: z.literal(apiVersion),
  kind: z.literal('TrowException'),
  metadata,
  spec: fields({
    policies: z.array(objectName).min(1, 'must name at least one policy').max(100, 'has at most 100 entries'),
    images: z
      .array(entry.refine(one, oneProblem).meta(eitherOf('scope', 'digest')))
      .min(1, 'must name at least one image')
      .max(1000, 'has at most 1000 entries'),
    namespaces: namespaces('must name at least one namespace, or "*" for all'),
    reason: line(200),
    ticket: line(100).optional(),
    expires: z.iso.datetime({ offset: true, error: 'must be a time with its zone: 2026-12-10T00:00:00Z' }),
    overrideDeny: z.boolean().optional(),
  }),
  status: z.unknown().optional(),
})
