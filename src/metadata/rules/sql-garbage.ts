import type { DataKey } from '../../blobs/blob-store.ts'
import type { GarbageStore } from '../garbage-store.ts'
import { garbageNotes } from './change-leases.ts'
import { changeMethods, type ChangeRunner } from './changes.ts'
import type { Database } from './database.ts'
import { pendingDeletes } from './statements/reads.ts'

export function sqlGarbage(database: Database, changes: ChangeRunner): GarbageStore {
  return {
    ...changeMethods(changes, [
      'acquireLease',
      'renewLease',
      'releaseLease',
      'expireUploads',
      'expireUntagged',
      'unlinkUnreferenced',
      'markBlobs',
      'deleteMarked',
      'forgetHistory',
      'dropEmptyRepositories',
      'pendOrphans',
      'forgetPendingDeletes',
    ]),
    reclaim: () => changes.reclaim(),
    async pendingDeletes(limit, before = Number.MAX_SAFE_INTEGER) {
      const rows = await database.all(pendingDeletes, { limit, before })
      return rows.map((row) => row.data_key as DataKey)
    },
    time: async (own) => database.clock(own),
    notes: () => garbageNotes(database),
    note: (noted) => changes.run('noteGarbage', noted),
  }
}
