import { compilePattern } from '../oci/repository-pattern.ts'

/** Namespaces by name, or by patterns in which `*` stands for any part of a name. Labels are not looked at: tenants write them. */
export class NamespacePatterns {
  readonly #names: ReadonlySet<string>
  readonly #patterns: readonly ((name: string) => boolean)[]
  /** Whether it has all namespaces, and so also holds where none is known. */
  readonly everywhere: boolean
  /** Whether it has entries with `*`, which fit namespaces that do not exist yet. */
  readonly hasPatterns: boolean

  constructor(entries: readonly string[]) {
    this.#names = new Set(entries)
    this.#patterns = entries.filter((entry) => entry.includes('*')).map((entry) => compilePattern(entry))
    this.everywhere = entries.includes('*')
    this.hasPatterns = this.#patterns.length > 0
  }

  /** `undefined`: no namespace is known, as at push and pull. */
  has(namespace: string | undefined): boolean {
    if (this.everywhere) return true
    if (namespace === undefined) return false
    return this.#names.has(namespace) || this.#patterns.some((matches) => matches(namespace))
  }
}
