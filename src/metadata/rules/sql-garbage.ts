import type { DataKey } from '../../blobs/blob-store.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { GarbagePage, GarbageStep, GarbageStore } from '../garbage-store.ts'
import type { Instant } from '../../instant.ts'
import { clockSetting } from './change-garbage.ts'
import type { ChangeRunner } from './changes.ts'
import { pendingDeletes } from './statements/reads.ts'
import { settingByName } from './statements/settings.ts'
import type { Database } from './database.ts'

export class SqlGarbage implements GarbageStore {
  readonly #database: Database
  readonly #changes: ChangeRunner

  constructor(parts: { readonly database: Database; readonly changes: ChangeRunner }) {
    this.#database = parts.database
    this.#changes = parts.changes
  }

  acquireLease(name: string, holder: string, ttl: number, now: Instant): Promise<boolean> {
    return this.#changes.run('acquireLease', { name, holder, ttl, now })
  }

  renewLease(name: string, holder: string, ttl: number, now: Instant): Promise<boolean> {
    return this.#changes.run('renewLease', { name, holder, ttl, now })
  }

  releaseLease(name: string, holder: string): Promise<void> {
    return this.#changes.run('releaseLease', { name, holder })
  }

  expireUploads(step: GarbageStep): Promise<GarbagePage> {
    return this.#changes.run('expireUploads', step)
  }

  expireUntagged(step: GarbageStep & { readonly repository: RepositoryName }): Promise<GarbagePage> {
    return this.#changes.run('expireUntagged', step)
  }

  unlinkUnreferenced(step: GarbageStep): Promise<GarbagePage> {
    return this.#changes.run('unlinkUnreferenced', step)
  }

  condemnBlobs(step: GarbageStep): Promise<GarbagePage> {
    return this.#changes.run('condemnBlobs', step)
  }

  deleteCondemned(step: GarbageStep): Promise<GarbagePage> {
    return this.#changes.run('deleteCondemned', step)
  }

  dropEmptyRepositories(step: GarbageStep): Promise<GarbagePage> {
    return this.#changes.run('dropEmptyRepositories', step)
  }

  async pendingDeletes(limit: number): Promise<readonly DataKey[]> {
    const rows = await this.#database.all(pendingDeletes, { limit })
    return rows.map((row) => row.data_key as DataKey)
  }

  forgetPendingDeletes(keys: readonly DataKey[]): Promise<void> {
    return this.#changes.run('forgetPendingDeletes', { keys })
  }

  reclaim(): Promise<number> {
    return this.#changes.reclaim()
  }

  async clock(): Promise<{
    readonly seenAt: Instant | undefined
    readonly suspendedUntil: Instant | undefined
  }> {
    const row = await this.#database.get(settingByName, { name: clockSetting })
    const clock = row === undefined ? {} : (JSON.parse(row.value) as Partial<Record<string, number>>)
    return { seenAt: clock['seenAt'], suspendedUntil: clock['suspendedUntil'] }
  }

  recordClock(clock: {
    readonly seenAt: Instant
    readonly suspendedUntil: Instant | undefined
  }): Promise<void> {
    return this.#changes.run('recordClock', clock)
  }
}
