import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Tag } from '../../oci/tag.ts'
import {
  historyBounds,
  type HistoryStore,
  type SeenSince,
  type SeenManifest,
  type TagTarget,
} from '../history-store.ts'
import type { Statement } from './bind.ts'
import type { Database } from './database.ts'
import * as statements from './statements/history.ts'

type TargetRow = typeof statements.tagTargets extends Statement<infer Row> ? Row : never

export class SqlHistory implements HistoryStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async manifest(name: RepositoryName, digest: Digest): Promise<SeenManifest | undefined> {
    const row = await this.#database.get(statements.seenManifest, { name, digest })
    return row && { ...seenSince(row.first_seen, row), removedAt: row.removed_at ?? undefined }
  }

  async tag(name: RepositoryName, tag: Tag): Promise<readonly TagTarget[]> {
    const rows = await this.#database.all(statements.tagTargets, { name, tag, moves: historyBounds.moves })
    return rows.sort((a, b) => b.sequence - a.sequence).map(toTarget)
  }
}

function seenSince(
  since: number,
  row: { readonly seen_at_latest: number; readonly pusher: string | null },
): SeenSince {
  return { since, atLatest: row.seen_at_latest === 1, pusher: row.pusher ?? undefined }
}

function toTarget(row: TargetRow): TagTarget {
  const { sequence, digest, since, since_at_latest: seen_at_latest, pusher, until, removal } = row
  return {
    sequence,
    digest: digest as Digest,
    ...seenSince(since, { seen_at_latest, pusher }),
    end: until === null ? undefined : { kind: removal === null ? 'moved' : 'removed', at: until },
  }
}
