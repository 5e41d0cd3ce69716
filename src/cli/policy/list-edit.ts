import { z } from 'zod'
import { isDigest, type Digest } from '../../oci/digest.ts'
import { apiVersion } from '../../policy/document-schema.ts'
import { parseScope, type Scope } from '../../policy/scope.ts'
import { ScopeIndex } from '../../policy/scope-index.ts'
import { exitCode, UserError } from '../../user-error.ts'

/** What an entry of a list names. */
export type Target =
  | { readonly field: 'digest'; readonly text: Digest }
  | { readonly field: 'scope'; readonly text: string; readonly scope: Scope }

/** Throws UserError SCOPE_INVALID. */
export function parseTarget(text: string): Target {
  if (/^sha\d+:/.test(text)) {
    if (isDigest(text) && text.startsWith('sha256:')) return { field: 'digest', text }
    throw invalid(
      text,
      text.startsWith('sha512:')
        ? 'write the sha256 digest of the same bytes, which names them under both'
        : 'a digest is sha256: and 64 lower-case hexadecimal digits',
    )
  }
  const scope = parseScope(text, new Set())
  if (scope.kind === 'problem') throw invalid(text, `${scope.code}: ${scope.message}`)
  return { field: 'scope', text, scope }
}

function invalid(text: string, problem: string): UserError {
  return new UserError('SCOPE_INVALID', `"${text.slice(0, 200)}" cannot stand in a list: ${problem}`, {
    hint: 'Write a scope (docker.io/library, @trow/prod, *.example.com) or a digest.',
    exitCode: exitCode.usage,
  })
}

/** The lists of a policy, and whatever else it has. The registry checks the whole when it is written. */
const entry = z.looseObject({ scope: z.string().optional(), digest: z.string().optional() })
const policyShape = z.looseObject({
  spec: z.looseObject({
    mode: z.string().optional(),
    default: z.string().optional(),
    deny: z.array(entry.extend({ reason: z.string().optional(), fix: z.string().optional() })).optional(),
    rules: z.array(entry).optional(),
  }),
})

export type PolicyShape = z.infer<typeof policyShape>
export type DenyShape = NonNullable<PolicyShape['spec']['deny']>[number]

/** A document with the lists of a policy. Throws UserError POLICY_INVALID. */
export function policyShapeOf(document: unknown, name: string): PolicyShape {
  const parsed = policyShape.safeParse(document)
  if (parsed.success) return parsed.data
  throw new UserError('POLICY_INVALID', `policy ${name} is not one that a command can edit`, {
    hint: '"trow policy status" says what is wrong with it: mend it by hand.',
    cause: parsed.error,
  })
}

/** A policy that refuses what is on its deny list and passes everything else. */
export function denyingPolicy(name: string): PolicyShape {
  return {
    apiVersion,
    kind: 'TrowPolicy',
    metadata: { name },
    spec: { mode: 'enforce', default: 'pass', deny: [] },
  }
}

/** What an edit comes to: another document, or that there is nothing to do. */
export type ListEdit =
  | { readonly kind: 'changed'; readonly policy: PolicyShape; readonly done: string }
  | { readonly kind: 'unchanged'; readonly why: string }

/** Puts it on the deny list; an entry that is there gets the new reason and fix. */
export function denied(
  policy: PolicyShape,
  { field, text }: Target,
  { reason, fix }: { readonly reason: string; readonly fix: string | undefined },
): ListEdit {
  const wanted = { [field]: text, reason, ...(fix === undefined ? {} : { fix }) }
  const { deny = [] } = policy.spec
  const place = deny.findIndex((each) => each[field] === text)
  const known = deny[place]
  if (known !== undefined && known.reason === reason && known.fix === fix)
    return { kind: 'unchanged', why: `denies ${text} already` }
  const list = known === undefined ? [...deny, wanted] : deny.with(place, wanted)
  return { kind: 'changed', policy: withSpec(policy, { deny: list }), done: `denies ${text}` }
}

/** Takes it off the deny list. */
export function undenied(policy: PolicyShape, { field, text }: Target): ListEdit {
  const { deny = [] } = policy.spec
  const list = deny.filter((each) => each[field] !== text)
  if (list.length === deny.length) return { kind: 'unchanged', why: `does not deny ${text}` }
  return {
    kind: 'changed',
    policy: withSpec(policy, { deny: list }),
    done: `does not deny ${text} any more`,
  }
}

/**
 * Takes it off the deny list, and gives a scope a rule by which the name is enough where the policy denies by
 * default. Throws UserError POLICY_NO_EFFECT where that would not allow it.
 */
export function allowed(policy: PolicyShape, target: Target, name: string): ListEdit {
  const off = undenied(policy, target)
  const without = off.kind === 'changed' ? off.policy : policy
  if (target.field === 'digest') {
    if (off.kind === 'changed') return off
    throw new UserError('POLICY_NO_EFFECT', `policy ${name} does not deny ${target.text}`, {
      hint: 'A policy allows by scope. "trow exception add" allows one image for a time.',
    })
  }
  const { deny = [], rules = [] } = without.spec
  const wider = mostSpecific(deny, target.scope)
  if (wider !== undefined) throw deniedAbove(wider.scope ?? '', target.text, name)
  const rule = mostSpecific(rules, target.scope)
  if (rule === undefined ? without.spec.default === 'pass' : 'unverified' in rule)
    return off.kind === 'changed' ? off : { kind: 'unchanged', why: `allows ${target.text} already` }
  if (rule?.scope === target.text) {
    throw new UserError(
      'POLICY_NO_EFFECT',
      `policy ${name} has a rule with requirements for ${target.text}`,
      {
        hint: 'Change the rule by hand, or "trow exception add" allows an image for a time.',
      },
    )
  }
  return {
    kind: 'changed',
    policy: withSpec(without, { rules: [...rules, { scope: target.text, unverified: true }] }),
    done: `allows ${target.text}`,
  }
}

/** The deny list comes first: a rule below one of its scopes would do nothing. */
function deniedAbove(wider: string, scope: string, name: string): UserError {
  return new UserError('POLICY_NO_EFFECT', `policy ${name} denies ${wider}, which ${scope} is in`, {
    hint: `"trow policy allow ${wider} --policy ${name}" takes that off the list.`,
  })
}

/** The entry that decides about a scope: the most specific one that covers it. */
function mostSpecific<Entry extends { readonly scope?: string | undefined }>(
  entries: readonly Entry[],
  { host, segments }: Scope,
): Entry | undefined {
  const index = new ScopeIndex<Entry>()
  for (const each of entries) {
    const parsed = each.scope === undefined ? undefined : parseScope(each.scope, new Set())
    if (parsed?.kind === 'scope') index.set(parsed, each)
  }
  return index.find({ host, path: segments.join('/') })
}

function withSpec(policy: PolicyShape, change: Partial<PolicyShape['spec']>): PolicyShape {
  return { ...policy, spec: { ...policy.spec, ...change } }
}
