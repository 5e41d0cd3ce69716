import { isRepositoryName } from '../oci/repository-name.ts'
import { isTag } from '../oci/tag.ts'
import { canonicalHost, isAddress } from './host-name.ts'
import { ownRegistry } from './image-reference.ts'
import { shown } from './shown.ts'

/**
 * A set of names: all names, one registry, the registries below a domain, or a path in these with everything
 * below it.
 */
export interface Scope {
  readonly kind: 'scope'
  /** The scope as written, which is always its canonical spelling. */
  readonly text: string
  /** `*`, `@trow`, a canonical host, or `*.` and a domain. */
  readonly host: string
  readonly segments: readonly string[]
}

export type ScopeProblemCode =
  | 'SCOPE_SHORT'
  | 'SCOPE_CASE'
  | 'SCOPE_SCHEME'
  | 'SCOPE_PATH'
  | 'SCOPE_TAG'
  | 'SCOPE_WILD'
  | 'SCOPE_ALIAS'
  | 'SCOPE_CANON'
  | 'SCOPE_SYNTAX'
  | 'SCOPE_HOST'

export interface ScopeProblem {
  readonly kind: 'problem'
  readonly code: ScopeProblemCode
  /** Says what to write. */
  readonly message: string
}

/**
 * Parses `*`, `@trow[/PATH]`, `HOST[:PORT][/PATH]` or `*.DOMAIN[:PORT][/PATH]`. Only the canonical spelling
 * is accepted: otherwise a scope that no name can match would be ignored silently. `ownHosts`: canonical
 * hosts of this registry.
 */
export function parseScope(text: string, ownHosts: ReadonlySet<string>): Scope | ScopeProblem {
  if (text === '*') return { kind: 'scope', text, host: '*', segments: [] }
  const scheme = text.indexOf('://')
  if (scheme >= 0) return problem('SCOPE_SCHEME', `write ${shown(text.slice(scheme + 3))}, without a scheme`)
  if (!/^[!-~]{1,512}$/.test(text))
    return problem('SCOPE_SYNTAX', `${shown(text)} must be 1 to 512 visible characters of ASCII`)
  const slash = text.indexOf('/')
  const head = slash < 0 ? text : text.slice(0, slash)
  const path = slash < 0 ? undefined : text.slice(slash + 1)
  if (text.lastIndexOf('@') > 0)
    return problem('SCOPE_TAG', `a scope has no digest: digests have fields of their own`)
  return (
    (head === ownRegistry ? undefined : hostProblem(head, path, ownHosts)) ??
    (path === undefined ? undefined : pathProblem(head, path)) ?? {
      kind: 'scope',
      text,
      host: head,
      segments: path?.split('/') ?? [],
    }
  )
}

function hostProblem(
  head: string,
  path: string | undefined,
  ownHosts: ReadonlySet<string>,
): ScopeProblem | undefined {
  if (head.startsWith('@')) return problem('SCOPE_SYNTAX', `only ${ownRegistry} may begin with @`)
  if (head.startsWith('*.')) return domainProblem(head.slice(2), path)
  if (head !== 'localhost' && !/[.:[]/.test(head) && head !== '*') return shortProblem(head, path)
  const result = canonicalHost(head)
  if (result === undefined) {
    const [name = '', tag = ''] = head.split(':')
    if (path === undefined && isRepositoryName(name.toLowerCase()) && isTag(tag)) return tagProblem()
    return problem('SCOPE_HOST', `${shown(head)} is no host: write HOST, HOST:PORT or *.DOMAIN`)
  }
  if (result.kind === 'problem') return problem('SCOPE_HOST', result.message)
  if (ownHosts.has(result.host))
    return problem('SCOPE_ALIAS', `${head} is this registry: write ${joined(ownRegistry, path)}`)
  if (result.host === head) return undefined
  const code = result.alias ? 'SCOPE_ALIAS' : caseOrCanon(head)
  return problem(code, `write ${joined(result.host, path)}`)
}

function domainProblem(domain: string, path: string | undefined): ScopeProblem | undefined {
  const [name = ''] = domain.split(':')
  if (/^[a-zA-Z0-9-]+$/.test(name))
    return problem('SCOPE_WILD', `*.${name} is too wide: write a domain of at least two labels`)
  const result = canonicalHost(domain)
  if (result === undefined) return problem('SCOPE_HOST', `${shown(domain)} is no domain`)
  if (result.kind === 'problem') return problem('SCOPE_HOST', result.message)
  if (isAddress(result.host)) return problem('SCOPE_HOST', `an address has nothing below it: write it whole`)
  if (result.alias) return problem('SCOPE_ALIAS', `there are no registries below it: write docker.io`)
  if (result.host === domain) return undefined
  return problem(caseOrCanon(domain), `write ${joined(`*.${result.host}`, path)}`)
}

function caseOrCanon(head: string): ScopeProblemCode {
  return /[A-Z]/.test(head) ? 'SCOPE_CASE' : 'SCOPE_CANON'
}

function shortProblem(head: string, path: string | undefined): ScopeProblem {
  const inHub = path === undefined ? `library/${head}` : `${head}/${path}`
  const hint = isRepositoryName(inHub) ? `: for Docker Hub write docker.io/${inHub}` : ''
  return problem('SCOPE_SHORT', `${shown(head)} has no host${hint}`)
}

function pathProblem(head: string, path: string): ScopeProblem | undefined {
  if (head === ownRegistry && (path === 'f' || path.startsWith('f/')))
    return problem('SCOPE_PATH', 'what is below f/ is named as in its own registry: write that')
  if (isRepositoryName(path)) return undefined
  const [name = ''] = path.split(':')
  if (isRepositoryName(name)) return tagProblem()
  if (isRepositoryName(path.toLowerCase()))
    return problem('SCOPE_CASE', `write ${joined(head, path.toLowerCase())}`)
  const trimmed = path.replace(/\/?\*{0,2}\/?$/, '')
  const hint = trimmed === '' || isRepositoryName(trimmed) ? `: write ${joined(head, trimmed)}` : ''
  return problem(
    'SCOPE_PATH',
    `a path is whole segments without wildcards, and covers what is below it${hint}`,
  )
}

function tagProblem(): ScopeProblem {
  return problem('SCOPE_TAG', `a scope has no tag: tags have the field require.tags`)
}

function joined(host: string, path: string | undefined): string {
  return path === undefined || path === '' ? host : `${host}/${path}`
}

function problem(code: ScopeProblemCode, message: string): ScopeProblem {
  return { kind: 'problem', code, message }
}
