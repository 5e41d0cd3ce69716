import { counted } from '../counted.ts'
import { isRepositoryName } from '../oci/repository-name.ts'
import { HttpRefusal } from './http-refusal.ts'

export interface ScopeRequest {
  /** `repository`, `registry`; `repository(plugin)` is `repository`. */
  readonly type: string
  readonly name: string
  readonly actions: readonly string[]
}

const most = 100

/**
 * Scopes as clients write them, several in one value separated by spaces:
 * `repository:host:5000/a/b:pull,push`. The type ends at the first colon, the actions begin after the last.
 * Malformed scopes are left out. Throws HttpRefusal for more than 100: a token without the rest would be
 * refused, and the client would not know why.
 */
export function parseScopes(values: readonly string[]): ScopeRequest[] {
  const texts = new Set(values.flatMap((value) => value.split(' ')))
  if (texts.size > most) throw tooMany(`they are ${texts.size}, and ${most} are the most`)
  return [...texts].flatMap((text) => {
    const first = text.indexOf(':')
    const last = text.lastIndexOf(':')
    if (first <= 0 || last <= first + 1) return []
    return [
      {
        type: withoutClass(text.slice(0, first)),
        name: text.slice(first + 1, last),
        actions: [...new Set(text.slice(last + 1).split(','))].filter((action) => action !== ''),
      },
    ]
  })
}

/** Not by a regular expression: a text of brackets would take quadratic time. */
function withoutClass(type: string): string {
  const bracket = type.indexOf('(')
  return bracket >= 0 && type.endsWith(')') ? type.slice(0, bracket) : type
}

/**
 * Characters of all scopes of a token, some hundred repositories: a larger token would not fit into the
 * headers of requests.
 */
const longest = 6 * 1024
const known = ['pull', 'push', 'delete', '*']

/**
 * The scopes for a token in one canonical form; scopes that grant nothing are left out. Throws HttpRefusal if
 * they are too long for one token.
 */
export function printScopes(scopes: readonly ScopeRequest[]): string[] {
  const printed = scopes.flatMap(({ type, name, actions }) => {
    if (type === 'registry')
      return actions.includes('*') && ['catalog', 'audit'].includes(name) ? [`registry:${name}:*`] : []
    const some = actions.filter((action) => known.includes(action))
    if (type !== 'repository' || !isRepositoryName(name) || some.length === 0) return []
    return [`repository:${name}:${some.sort().join(',')}`]
  })
  const size = printed.reduce((sum, each) => sum + each.length, 0)
  if (size <= longest) return printed
  throw tooMany(`they take ${counted(size, 'character')}, and ${longest} are the most`)
}

function tooMany(reason: string): HttpRefusal {
  return new HttpRefusal(400, 'REQUEST_INVALID', 'these are too many scopes for one token', {
    detail: `${reason}: ask for one token for each repository`,
  })
}
