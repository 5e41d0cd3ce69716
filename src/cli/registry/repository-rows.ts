import pLimit from 'p-limit'
import { OciError } from '../../oci/oci-error.ts'
import { parseRepositoryName } from '../../oci/repository-name.ts'
import { humanSize } from '../../settings/quantities.ts'
import type { RegistryClient } from '../../upstream/registry-client.ts'
import { UpstreamFault } from '../../upstream/upstream-fault.ts'
import type { Result } from '../result/print-result.ts'

export type RepositoryRow = Result<'Repository'>

interface RowPage {
  readonly rows: readonly RepositoryRow[]
  readonly hasMore: boolean
}

/** Repositories of a page of a registry that tells what each holds. */
const pageSize = 1000
/** Repositories of another registry whose tags are counted before the first is printed, and at a time. */
const countedPage = 100
const concurrency = 8

/**
 * Yields the repositories behind `after`, a page at a time, `limit` at most. The last page says whether there are
 * more. trow tells what each holds in the same answer; at other registries the tags of each are counted.
 */
export async function* repositoryPages(
  client: RegistryClient,
  {
    after,
    limit,
    isNamesOnly,
  }: { readonly after: string | undefined; readonly limit: number; readonly isNamesOnly: boolean },
): AsyncGenerator<RowPage> {
  const size = Math.min(pageSize, limit + 1)
  const told = isNamesOnly ? undefined : await client.repositoryPages({ size, after })
  if (told === undefined) {
    const atOnce = pLimit(concurrency)
    for await (const { rows, hasMore } of cut(namePages(client.repositories(after)), limit)) {
      const row = ({ repository }: RepositoryRow): Promise<RepositoryRow> =>
        atOnce(() => countedRow(client, repository))
      yield { rows: isNamesOnly ? rows : await Promise.all(rows.map(row)), hasMore }
    }
    return
  }
  yield* cut(rowsOf(told), limit)
}

async function* rowsOf(
  pages: NonNullable<Awaited<ReturnType<RegistryClient['repositoryPages']>>>,
): AsyncGenerator<readonly RepositoryRow[]> {
  for await (const page of pages) yield page.map(({ name, ...figures }) => ({ repository: name, ...figures }))
}

async function* namePages(names: AsyncIterable<string>): AsyncGenerator<readonly RepositoryRow[]> {
  let page: RepositoryRow[] = []
  for await (const repository of names) {
    page.push({ repository })
    if (page.length < countedPage) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
}

/** Ends after `limit` rows. One row more tells that there are more. */
async function* cut(pages: AsyncIterable<readonly RepositoryRow[]>, limit: number): AsyncGenerator<RowPage> {
  let left = limit
  for await (const page of pages) {
    const rows = page.slice(0, left)
    const hasMore = page.length > rows.length
    yield { rows, hasMore }
    left -= rows.length
    if (hasMore) return
  }
}

/** A repository whose tags may not be listed is listed without their number. */
async function countedRow(client: RegistryClient, repository: string): Promise<RepositoryRow> {
  try {
    const tags = await client.tags(parseRepositoryName(repository))
    return { repository, tags: tags?.length }
  } catch (error) {
    const isDenied = error instanceof UpstreamFault && error.kind === 'denied'
    if (error instanceof OciError || isDenied) return { repository }
    throw error
  }
}

/** Returns the rows of a table, with its head. Sizes and times have columns where the registry tells them. */
export function repositoryTable(rows: readonly RepositoryRow[]): string[][] {
  const hasFigures = rows.some(({ bytes }) => bytes !== undefined)
  const head = ['REPOSITORY', 'TAGS']
  const cells = rows.map(({ repository, tags }) => [repository, tags === undefined ? '-' : String(tags)])
  if (!hasFigures) return [head, ...cells]
  const figures = rows.map(({ bytes, pushedAt }) => [
    bytes === undefined ? '-' : humanSize(bytes),
    pushedAt?.slice(0, 10) ?? '-',
  ])
  return [[...head, 'SIZE', 'PUSHED'], ...cells.map((row, index) => [...row, ...(figures[index] ?? [])])]
}
