import { anonymous, robotPrefix, type Action, type Principal } from '../../access/principal.ts'
import { Rules, type AccessRule } from '../../access/rules.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'

export interface Explanation {
  /** `robot-scope` and `cluster`: no rule decides, so the robot's own scope or a SubjectAccessReview does. */
  readonly decision: 'allowed' | 'denied' | 'robot-scope' | 'cluster'
  readonly reason: string
  /** The rule that decides, counted from 1. */
  readonly rule: number | undefined
  /** A command that asks the cluster the same question. */
  readonly ask: string | undefined
}

export type CallerKind = 'auto' | 'password' | 'cluster' | 'oidc'

/** Returns the principal of a name, with the groups that the cluster gives to service accounts and nodes. */
export function callerOf(
  name: string,
  given: {
    readonly kind: CallerKind
    readonly groups: readonly string[]
    readonly oidcPrefixes: readonly string[]
  },
): Principal {
  if (name === 'anonymous' || name === anonymous.name) return anonymous
  if (name.startsWith(robotPrefix)) return { kind: 'robot', name, groups: [], reviewable: false, scope: [] }
  const isOidc = given.oidcPrefixes.some((prefix) => name.startsWith(prefix))
  const kind =
    given.kind !== 'auto' ? given.kind : isOidc ? 'oidc' : name.includes(':') ? 'cluster' : 'password'
  const groups = [...new Set([...given.groups, ...(kind === 'cluster' ? clusterGroups(name) : [])])]
  if (kind === 'password') return { kind, name, groups: [], reviewable: false }
  return { kind: kind === 'oidc' ? 'oidc' : 'kubernetes', name, groups, reviewable: true }
}

/** Returns the decision of the rules, or who decides if no rule does. */
export function explain(
  rules: readonly AccessRule[],
  principal: Principal,
  action: Action,
  repository: RepositoryName,
): Explanation {
  const { kind, reason, rule } = new Rules(rules).decide(principal, action, repository)
  if (rule !== undefined)
    return { decision: kind === 'denied' ? 'denied' : 'allowed', reason, rule: rule + 1, ask: undefined }
  if (principal.kind === 'robot') {
    const words = "no rule denies it, so the robot's own scope decides: trow robot list shows it"
    return { decision: 'robot-scope', reason: words, rule: undefined, ask: undefined }
  }
  if (principal.reviewable) {
    const words = `${reason}, so the cluster is asked, where trow serve has one`
    return {
      decision: 'cluster',
      reason: words,
      rule: undefined,
      ask: question(principal, action, repository),
    }
  }
  return { decision: 'denied', reason, rule: undefined, ask: undefined }
}

function clusterGroups(name: string): string[] {
  const account = /^system:serviceaccount:([^:]+):[^:]+$/.exec(name)?.[1]
  if (account !== undefined)
    return ['system:serviceaccounts', `system:serviceaccounts:${account}`, 'system:authenticated']
  return name.startsWith('system:node:') ? ['system:nodes', 'system:authenticated'] : ['system:authenticated']
}

const verbs: Readonly<Record<Action, string>> = {
  pull: 'get',
  push: 'create',
  delete: 'delete',
  list: 'list',
}

function question(principal: Principal, action: Action, repository: RepositoryName): string {
  const slash = repository.indexOf('/')
  const namespace = slash < 0 ? '' : ` --namespace ${quote(repository.slice(0, slash))}`
  const groups = principal.groups.map((group) => ` --as-group ${quote(group)}`).join('')
  const ask = (verb: string): string =>
    `kubectl auth can-i ${verb} repositories.registry.trow.io/${repository.slice(slash + 1)}${namespace} --as ${quote(principal.name)}${groups}`
  return action === 'push' ? `${ask('create')} && ${ask('update')}` : ask(verbs[action])
}

function quote(text: string): string {
  return /^[\w.:/@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
