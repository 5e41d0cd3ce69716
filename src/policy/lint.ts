import { ownRegistry } from './image-reference.ts'
import type { LoadProblem } from './load-problem.ts'
import type { PolicyDocuments } from './policy-documents.ts'
import { ScopeIndex } from './scope-index.ts'
import type { Scope } from './scope.ts'
import type { TrowException } from './trow-exception.ts'
import type { TrowPolicy } from './trow-policy.ts'

/** A problem in a document that loads but is probably not intended. */
export interface LintFinding extends LoadProblem {
  readonly kind: 'TrowPolicy' | 'TrowException'
  readonly name: string
}

/** Docker Hub images whose name without `library/` is mistaken for the image: it names an organisation. */
const officialImages: ReadonlySet<string> = new Set(
  'alpine busybox debian golang httpd mariadb memcached mongo mysql nginx node openjdk php postgres python rabbitmq redis ruby traefik ubuntu'.split(
    ' ',
  ),
)

/** Lints documents that were loaded together. `now`: ms since 1970. */
export function lintPolicies(documents: PolicyDocuments, now: number): readonly LintFinding[] {
  const policies = new Map(documents.policies.map((policy) => [policy.name, policy]))
  return [
    ...documents.policies.flatMap((policy) =>
      findingsOfPolicy(policy).map((found) => ({ kind: 'TrowPolicy' as const, name: policy.name, ...found })),
    ),
    ...documents.exceptions.flatMap((exception) =>
      findingsOfException(exception, { policies, now }).map((found) => ({
        kind: 'TrowException' as const,
        name: exception.name,
        ...found,
      })),
    ),
  ]
}

function findingsOfPolicy(policy: TrowPolicy): LoadProblem[] {
  const found: LoadProblem[] = []
  const add = (path: LoadProblem['path'], message: string): void =>
    void found.push({ path: ['spec', ...path], message })
  if (policy.default === 'pass' && policy.deny.length === 0 && policy.rules.every(({ require }) => !require))
    add(
      ['default'],
      'the policy refuses nothing: it passes what no rule covers, and requires and denies nothing',
    )
  if (policy.namespaces.exclude.some((entry) => entry.includes('*')))
    add(['namespaces', 'exclude'], 'whoever may make a namespace may make one that a pattern excludes')
  const ownRule = policy.rules.some(({ scope }) => scope.host === ownRegistry || scope.host === '*')
  if (policy.default === 'deny' && policy.modes.push === 'enforce' && !ownRule)
    add(['rules'], `no rule covers ${ownRegistry}: every push to this registry is refused`)
  const shut = policy.deny.findIndex(({ target }) => typeof target !== 'string' && coversRegistry(target))
  if (shut >= 0 && policy.modes.push === 'enforce')
    add(['deny', shut, 'scope'], `denies all of ${ownRegistry}: every push to this registry is refused`)
  const denied = new ScopeIndex<Scope>()
  for (const { target } of policy.deny) if (typeof target !== 'string') denied.set(target, target)
  for (const [place, { scope, require }] of policy.rules.entries()) {
    const by = denied.find({ host: scope.host, path: scope.segments.join('/') })
    if (by !== undefined) add(['rules', place, 'scope'], `nothing reaches the rule: ${by.text} is denied`)
    if (scope.host === '*' && require === undefined)
      add(
        ['rules', place, 'scope'],
        'the rule accepts every image of every registry that no other rule covers',
      )
    const [organisation = '', ...more] = scope.segments
    if (scope.host === 'docker.io' && more.length === 0 && officialImages.has(organisation))
      add(
        ['rules', place, 'scope'],
        `means an organisation named ${organisation}: the image is docker.io/library/${organisation}`,
      )
  }
  return found
}

function coversRegistry({ host, segments }: Scope): boolean {
  return host === '*' || (host === ownRegistry && segments.length === 0)
}

function findingsOfException(
  exception: TrowException,
  { policies, now }: { readonly policies: ReadonlyMap<string, TrowPolicy>; readonly now: number },
): LoadProblem[] {
  const found: LoadProblem[] = []
  const add = (path: LoadProblem['path'], message: string): void =>
    void found.push({ path: ['spec', ...path], message })
  if (exception.expires <= now) add(['expires'], 'it has expired, and lifts nothing')
  for (const [place, name] of [...exception.policies].entries()) {
    const policy = policies.get(name)
    if (policy === undefined) add(['policies', place], `there is no policy named ${name} here`)
    else if (!exception.namespaces.includes('*') && policy.modes.pull === 'enforce')
      add(
        ['namespaces'],
        `${name} also judges pulls, where no namespace is known: the exception lifts nothing there`,
      )
  }
  return found
}
