import type { DataKey } from '../../blobs/blob-store.ts'
import type { GarbageStore } from '../garbage-store.ts'
import { clockSetting } from './change-garbage.ts'
import { changeMethods, type ChangeRunner } from './changes.ts'
import type { Database } from './database.ts'
import { pendingDeletes } from './statements/reads.ts'
import { settingByName } from './statements/settings.ts'

export function sqlGarbage(database: Database, changes: ChangeRunner): GarbageStore {
  return {
    ...changeMethods(changes, [
      'acquireLease',
      'renewLease',
      'releaseLease',
      'expireUploads',
      'expireUntagged',
      'unlinkUnreferenced',
      'condemnBlobs',
      'deleteCondemned',
      'forgetHistory',
      'dropEmptyRepositories',
      'forgetPendingDeletes',
      'recordClock',
    ]),
    reclaim: () => changes.reclaim(),
    async pendingDeletes(limit) {
      const rows = await database.all(pendingDeletes, { limit })
      return rows.map((row) => row.data_key as DataKey)
    },
    async clock() {
      const row = await database.get(settingByName, { name: clockSetting })
      const clock = row === undefined ? {} : (JSON.parse(row.value) as Partial<Record<string, number>>)
      return { seenAt: clock['seenAt'], suspendedUntil: clock['suspendedUntil'] }
    },
  }
}
