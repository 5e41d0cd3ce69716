import { compilePattern } from '../oci/repository-pattern.ts'

/**
 * Matches namespaces by name, or by patterns in which `*` stands for any part of a name. Labels are ignored,
 * because tenants can set them.
 */
export class NamespacePatterns {
  readonly #names: ReadonlySet<string>
  readonly #patterns: readonly ((name: string) => boolean)[]
  readonly #everywhere: boolean

  constructor(entries: readonly string[]) {
    this.#names = new Set(entries)
    this.#patterns = entries.filter((entry) => entry.includes('*')).map((entry) => compilePattern(entry))
    this.#everywhere = entries.includes('*')
  }

  /** `undefined` means that no namespace is known, as at push and pull: only `*` matches it. */
  has(namespace: string | undefined): boolean {
    if (this.#everywhere) return true
    if (namespace === undefined) return false
    return this.#names.has(namespace) || this.#patterns.some((matches) => matches(namespace))
  }
}
