import { setImmediate as nextTurn } from 'node:timers/promises'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { RepositoryFigures } from '../records.ts'
import type { Statement } from './bind.ts'
import type { Database } from './database.ts'
import * as statements from './statements/figures.ts'
import { repositoryByName } from './statements/repositories.ts'

/** Rows that are read in one turn of the event loop: a few milliseconds. */
const rowsAtOnce = 5000

interface Part {
  readonly rows: number
  readonly last: string | number | null
  readonly latest?: number | null
  readonly bytes?: number
}

interface Sum {
  rows: number
  latest: number
  bytes: number
}

/** Returns what a repository holds, counted in its indexes; undefined when it is unknown. */
export async function readFigures(
  database: Database,
  name: RepositoryName,
): Promise<RepositoryFigures | undefined> {
  const repository = (await database.get(repositoryByName, { name }))?.id
  if (repository === undefined) return undefined
  const tags = await sumOf(database, statements.tagFigures, repository, '')
  const manifests = await sumOf(database, statements.manifestFigures, repository, '')
  const blobs = await sumOf(database, statements.blobFigures, repository, 0)
  return {
    tags: tags.rows,
    manifests: manifests.rows,
    bytes: manifests.bytes + blobs.bytes,
    pushedAt: Math.max(tags.latest, manifests.latest),
  }
}

async function sumOf(
  database: Database,
  statement: Statement<Part>,
  repository: number,
  start: string | number,
): Promise<Sum> {
  const sum: Sum = { rows: 0, latest: 0, bytes: 0 }
  for (let after = start; ;) {
    const part = await database.get(statement, { repository, after, limit: rowsAtOnce })
    if (part === undefined || part.last === null) return sum
    sum.rows += part.rows
    sum.bytes += part.bytes ?? 0
    sum.latest = Math.max(sum.latest, part.latest ?? 0)
    if (part.rows < rowsAtOnce) return sum
    after = part.last
    await nextTurn()
  }
}
