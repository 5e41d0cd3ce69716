import type { MetadataStore } from '../metadata/metadata-store.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import { compilePattern } from '../oci/repository-pattern.ts'

/** `repositories` is a pattern as `compilePattern` has them. */
export interface UntaggedRule {
  readonly repositories: string
  /** Milliseconds after which untagged manifests go; undefined: they stay. */
  readonly after: number | undefined
}

/** Every repository for which a rule sets a limit. */
export async function* untaggedLimits(
  metadata: MetadataStore,
  rules: readonly UntaggedRule[],
): AsyncGenerator<{ repository: RepositoryName; after: number }> {
  if (!rules.some((rule) => rule.after !== undefined)) return
  const patterns = rules.map((rule) => ({ matches: compilePattern(rule.repositories), after: rule.after }))
  for (let start: string | undefined; ;) {
    const page = await metadata.listRepositories(
      start === undefined ? { limit: 500 } : { limit: 500, after: start },
    )
    for (const repository of page.items) {
      const after = patterns.find(({ matches }) => matches(repository))?.after
      if (after !== undefined) yield { repository, after }
    }
    if (page.next === undefined) return
    start = page.next
  }
}
