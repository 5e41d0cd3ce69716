import type { Action } from './principal.ts'

const catalogue = 'registry:catalog:*'
const audit = 'registry:audit:*'
const everything: readonly Action[] = ['pull', 'push', 'delete']

/**
 * The most that an access token may be used for, whatever its bearer's rights: the scopes that it was
 * requested with (distribution, "Token Scope Documentation"). The bearer's rights are decided in addition,
 * for each request.
 */
export class TokenBounds {
  readonly #repositories = new Map<string, Set<string>>()
  readonly #registry = new Set<string>()

  /** `repository:NAME:ACTIONS`, `registry:catalog:*` and `registry:audit:*`; other scopes open nothing. */
  constructor(scopes: readonly string[]) {
    for (const scope of scopes) {
      const [, name, list] = /^repository:([^:]+):([^:]+)$/.exec(scope) ?? []
      if (name === undefined || list === undefined) {
        this.#registry.add(scope)
        continue
      }
      const known = this.#repositories.get(name) ?? new Set()
      for (const action of list.split(','))
        for (const each of action === '*' ? everything : [action]) known.add(each)
      this.#repositories.set(name, known)
    }
  }

  /** `list` means the catalogue. */
  allows(action: Action, repository: string): boolean {
    if (action === 'list') return this.allowsCatalogue
    return this.#repositories.get(repository)?.has(action) === true
  }

  get allowsCatalogue(): boolean {
    return this.#registry.has(catalogue)
  }

  get allowsAudit(): boolean {
    return this.#registry.has(audit)
  }
}
