import type { MetadataStore } from '../metadata/metadata-store.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import { compilePattern } from '../oci/repository-pattern.ts'

/** `repositories`: a pattern for `compilePattern`. */
export interface UntaggedRule {
  readonly repositories: string
  /** Milliseconds after which untagged manifests expire; undefined: they stay. */
  readonly after?: number | undefined
}

/**
 * The limit of the first rule that matches a repository, in milliseconds. Undefined: its untagged manifests
 * stay.
 */
export function untaggedLimit(
  rules: readonly UntaggedRule[],
): (repository: RepositoryName) => number | undefined {
  const patterns = rules.map((rule) => ({ matches: compilePattern(rule.repositories), after: rule.after }))
  return (repository) => patterns.find(({ matches }) => matches(repository))?.after
}

/** Every repository for which a rule sets a limit. */
export async function* untaggedLimits(
  metadata: MetadataStore,
  rules: readonly UntaggedRule[],
): AsyncGenerator<{ repository: RepositoryName; after: number }> {
  if (!rules.some((rule) => rule.after !== undefined)) return
  const limitOf = untaggedLimit(rules)
  for await (const repository of everyRepository(metadata)) {
    const after = limitOf(repository)
    if (after !== undefined) yield { repository, after }
  }
}

const looked = 1000

/** Untagged manifests that no rule expires, and the first few repositories that hold them. */
export interface KeptUntagged {
  readonly manifests: number
  readonly repositories: number
  readonly names: readonly RepositoryName[]
}

/** Takes time in proportion to all untagged manifests. `proceed` is called before each page. */
export async function countKept(
  metadata: MetadataStore,
  rules: readonly UntaggedRule[],
  proceed: () => Promise<void>,
): Promise<KeptUntagged> {
  const limitOf = untaggedLimit(rules)
  const names: RepositoryName[] = []
  let [manifests, repositories] = [0, 0]
  for await (const repository of everyRepository(metadata)) {
    if (limitOf(repository) !== undefined) continue
    let found = 0
    for (let after: string | undefined; ;) {
      await proceed()
      const page = await metadata.untagged.list(repository, {
        limit: looked,
        ...(after === undefined ? {} : { after }),
      })
      found += page?.items.length ?? 0
      after = page?.next
      if (after === undefined) break
    }
    if (found === 0) continue
    manifests += found
    if (++repositories <= 3) names.push(repository)
  }
  return { manifests, repositories, names }
}

async function* everyRepository(metadata: MetadataStore): AsyncGenerator<RepositoryName> {
  for (let start: string | undefined; ;) {
    const page = await metadata.listRepositories(
      start === undefined ? { limit: 500 } : { limit: 500, after: start },
    )
    yield* page.items
    if (page.next === undefined) return
    start = page.next
  }
}
