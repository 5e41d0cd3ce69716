import { OciError } from '../../oci/oci-error.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import { parseTag } from '../../oci/tag.ts'
import type { RegistryClient } from '../../upstream/registry-client.ts'
import { UserError } from '../../user-error.ts'
import { humanSize } from '../../settings/quantities.ts'
import type { Result } from '../result/print-result.ts'
import { ImageReader } from './image.ts'
import { noRepository } from './untagged.ts'

export type TagRow = Result<'Tag'>

/** Tags of a page: so many are looked up before the first is printed. */
const pageSize = 100

/**
 * Yields what a list shows of the tags behind `after`, a page at a time, `limit` at most. The last page says whether
 * there are more. Throws UserError NOT_FOUND.
 */
export async function* tagPages(
  client: RegistryClient,
  repository: RepositoryName,
  { after, limit }: { readonly after: string | undefined; readonly limit: number },
): AsyncGenerator<{ readonly rows: readonly TagRow[]; readonly hasMore: boolean }> {
  const reader = new ImageReader(client, repository)
  let left = limit
  let isKnown = false
  // One more than is shown tells whether there are more.
  const size = Math.min(pageSize, limit + 1)
  for await (const tags of client.tagPages(repository, { size, after })) {
    isKnown = true
    const shown = tags.slice(0, left)
    const hasMore = tags.length > shown.length
    yield { rows: await Promise.all(shown.map((tag) => tagRow(reader, repository, tag))), hasMore }
    left -= shown.length
    if (hasMore) return
  }
  if (!isKnown) throw noRepository(repository)
}

/** One image that cannot be read does not stop the list. */
async function tagRow(reader: ImageReader, repository: RepositoryName, tag: string): Promise<TagRow> {
  try {
    const { digest, size, platforms, created, manifest } = await reader.load(parseTag(tag))
    return { repository, tag, digest, mediaType: manifest.mediaType, bytes: size, platforms, created }
  } catch (error) {
    const isOne = error instanceof OciError || (error instanceof UserError && unshowable.includes(error.code))
    if (!isOne) throw error
    return { repository, tag, problem: error.message }
  }
}

/** The manifest was deleted after its tag was listed, or it is not a manifest. */
const unshowable = ['NOT_FOUND', 'MANIFEST_UNREADABLE']

/** Returns the rows of a table, with its head. Why an image cannot be shown has a column where that happens. */
export function tagTable(rows: readonly TagRow[]): string[][] {
  const hasProblems = rows.some(({ problem }) => problem !== undefined)
  const head = ['TAG', 'DIGEST', 'SIZE', 'PLATFORMS', 'CREATED']
  return hasProblems
    ? [[...head, 'PROBLEM'], ...rows.map((row) => [...tagCells(row), row.problem ?? ''])]
    : [head, ...rows.map(tagCells)]
}

function tagCells(row: TagRow): string[] {
  const { tag, digest, bytes = 0, platforms = [], created } = row
  if (digest === undefined) return [tag, '-', '-', '-', '-']
  return [tag, digest, humanSize(bytes), platforms.join(',') || '-', created?.slice(0, 10) ?? '-']
}
