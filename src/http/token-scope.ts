export interface ScopeRequest {
  /** `repository`, `registry`; `repository(plugin)` is `repository`. */
  readonly type: string
  readonly name: string
  readonly actions: readonly string[]
}

const most = 100

/**
 * Scopes as clients write them, several in one value separated by spaces: `repository:host:5000/a/b:pull,push`. The
 * type ends at the first colon, the actions begin after the last. What is no scope is left out; at most 100.
 */
export function parseScopes(values: readonly string[]): ScopeRequest[] {
  return values
    .flatMap((value) => value.split(' '))
    .slice(0, most)
    .flatMap((text) => {
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

/** Not by a regular expression: a text of brackets would cost its square. */
function withoutClass(type: string): string {
  const bracket = type.indexOf('(')
  return bracket >= 0 && type.endsWith(')') ? type.slice(0, bracket) : type
}
