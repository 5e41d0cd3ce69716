import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { after } from 'node:test'
import { Generations } from '../../../src/metadata/cache/generations.ts'
import type { SharedCache } from '../../../src/metadata/cache/shared-cache.ts'
import { Connection } from '../../../src/metadata/postgres/connection.ts'
import { openPostgresMetadata } from '../../../src/metadata/postgres/postgres-metadata-store.ts'
import { prepareDatabase } from '../../../src/metadata/postgres/prepare-database.ts'
import type { MetadataStore } from '../../../src/metadata/metadata-store.ts'
import type { OutboxBound } from '../../../src/metadata/rules/outbox-bound.ts'
import { PostgresServer } from '../../support/postgres-server.ts'
import type { OpenedStore, OpenStore } from '../metadata-store-contract.ts'

/** One server for the calling test file. */
export class TestPostgres {
  #server: Promise<PostgresServer> | undefined

  constructor() {
    after(async () => (await this.#server)?.stop())
  }

  get server(): Promise<PostgresServer> {
    this.#server ??= PostgresServer.start()
    return this.#server
  }

  /** The URL of a new database with the schema of a registry. */
  async newRegistry(): Promise<string> {
    return this.newRegistryAt(await this.server)
  }

  async newRegistryAt(server: PostgresServer): Promise<string> {
    const url = await server.newDatabase()
    await this.prepare(url)
    return url
  }

  async prepare(url: string): Promise<void> {
    const connection = await Connection.open({ connectionString: url })
    await prepareDatabase(connection, { id: randomUUID() })
    connection.close()
  }

  /** Two threads of one process. */
  readonly openThreads = withOwnClock(async () => {
    const url = await this.newRegistry()
    const generations = new Generations()
    return opened(openStore(url, { generations }), openStore(url, { generations }))
  })

  /** Two processes, which have nothing in common but the database. */
  readonly openProcesses = withOwnClock(async () => {
    const url = await this.newRegistry()
    return opened(openStore(url), openStore(url))
  })
}

function withOwnClock(open: () => Promise<OpenedStore>): OpenStore {
  return Object.assign(open, { ownClock: true })
}

export function openStore(
  url: string,
  options: {
    readonly generations?: Generations
    readonly bound?: OutboxBound
    readonly sharedCache?: SharedCache
  } = {},
): MetadataStore {
  return openPostgresMetadata({
    connect: () => ({ connectionString: url }),
    lanes: 2,
    generations: new Generations(),
    cacheBytes: 1_000_000,
    holder: randomUUID(),
    folder: tmpdir(),
    ...options,
  })
}

function opened(store: MetadataStore, other: MetadataStore): OpenedStore {
  return {
    store,
    other,
    async close() {
      await store.close()
      await other.close()
    },
  }
}
