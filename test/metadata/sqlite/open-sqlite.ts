import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MessageChannel } from 'node:worker_threads'
import { Generations } from '../../../src/metadata/cache/generations.ts'
import { openLocalMetadata, openSqliteMetadata } from '../../../src/metadata/sqlite/sqlite-metadata-store.ts'
import { databasePath, openForWriting } from '../../../src/metadata/sqlite/sqlite-file.ts'
import { SqliteWriter } from '../../../src/metadata/sqlite/sqlite-writer.ts'
import { UploadClaims } from '../../../src/metadata/sqlite/upload-claims.ts'
import { PortRunner, WriterPorts } from '../../../src/metadata/sqlite/writer-port.ts'
import type { OpenedStore } from '../metadata-store-contract.ts'

export function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'trow-metadata-'))
}

/**
 * As in the server: one writer, and two readers with their own caches that reach the writer through ports.
 */
export async function openThroughPorts(): Promise<OpenedStore> {
  const folder = newFolder()
  const generations = new Generations()
  const claims = new UploadClaims()
  const database = openForWriting(databasePath(folder))
  const writer = new SqliteWriter({ database, generations, claims })
  const ports = new WriterPorts(writer, claims)
  const openOne = (): ReturnType<typeof openSqliteMetadata> => {
    const { port1, port2 } = new MessageChannel()
    ports.serve(port1, { opensUploads: true })
    return openSqliteMetadata({ folder, generations, cacheBytes: 1_000_000, changes: new PortRunner(port2) })
  }
  const [store, other] = [openOne(), openOne()]
  return {
    store,
    other,
    async close() {
      await store.close()
      await other.close()
      database.close()
      rmSync(folder, { recursive: true })
    },
  }
}

export async function openInProcess(): Promise<OpenedStore> {
  const folder = newFolder()
  const store = openLocalMetadata({ folder })
  return {
    store,
    other: store,
    async close() {
      await store.close()
      rmSync(folder, { recursive: true })
    },
  }
}
