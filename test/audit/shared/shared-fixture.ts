import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { AuditWriter, type AuditWriterParts } from '../../../src/audit/audit-writer.ts'
import type { AuditStore } from '../../../src/audit/audit-store.ts'
import { eachLog, logNames } from '../../../src/audit/chain.ts'
import { encodeAuditRecord } from '../../../src/audit/audit-record.ts'
import type { AuditEvent } from '../../../src/audit/event-schema.ts'
import { verifierOf } from '../../../src/audit/log-head.ts'
import { queryAudit, type AuditQuery } from '../../../src/audit/query.ts'
import { SharedStore } from '../../../src/audit/stores/shared/shared-store.ts'
import { verifyLog, type AuditProblem } from '../../../src/audit/verify.ts'
import type { AuditObjects } from '../../../src/blobs/audit-objects.ts'
import { S3AuditObjects } from '../../../src/blobs/s3/s3-audit-objects.ts'
import { S3Client } from '../../../src/blobs/s3/s3-client.ts'
import { S3Objects } from '../../../src/blobs/s3/s3-objects.ts'
import type { AuditChain } from '../../../src/metadata/audit-chain.ts'
import type { MetadataStore } from '../../../src/metadata/metadata-store.ts'
import { openStore, TestPostgres } from '../../metadata/postgres/open-postgres.ts'
import { queryAt } from '../../support/postgres-server.ts'
import { s3Keys, startS3Server, type S3Server } from '../../support/s3-server.ts'
import { auditRecordOf, quiet } from '../records.ts'

/** One process of a registry: a connection to its database, and one to its bucket. */
export interface Replica {
  readonly metadata: MetadataStore
  readonly chain: AuditChain
  readonly objects: AuditObjects
  readonly store: AuditStore
  open(extra?: Partial<AuditWriterParts>): Promise<AuditWriter>
  record(...ids: string[]): Promise<void>
  deny(...ids: string[]): Promise<void>
}

export class SharedAudit {
  readonly postgres = new TestPostgres()
  #s3: Promise<S3Server> | undefined
  #places = 0

  constructor() {
    after(async () => (await this.#s3)?.stop())
  }

  /** Defines a test of a registry of its own. */
  placed(name: string, work: (place: SharedPlace) => Promise<void>): void {
    void test(name, async () => {
      const place = await this.place()
      try {
        await work(place)
      } finally {
        await place.end()
      }
    })
  }

  /** A new registry; `replica()` is one more process of it. */
  async place(): Promise<SharedPlace> {
    this.#s3 ??= startS3Server()
    const s3 = await this.#s3
    const bucket = await s3.bucket(`audit${this.#places++}`)
    return new SharedPlace(await this.postgres.newRegistry(), s3, bucket)
  }
}

export class SharedPlace {
  readonly url: string
  readonly bucket: string
  readonly s3: S3Server
  readonly #closing: (() => Promise<void>)[] = []

  constructor(url: string, s3: S3Server, bucket: string) {
    this.url = url
    this.s3 = s3
    this.bucket = bucket
  }

  /** The names of the segments of a log in the bucket, in order. */
  objects(log = 'changes'): Promise<string[]> {
    return this.s3.names(this.bucket, `sub/audit/${log}/`)
  }

  /** `url`: another way to the database. */
  replica(wrap: { chain?: (own: AuditChain) => AuditChain; url?: string } = {}): Replica {
    const metadata = openStore(wrap.url ?? this.url)
    const own = metadata.auditChain
    if (own === undefined) throw new Error('the store has no chain')
    const chain = wrap.chain?.(own) ?? own
    const client = new S3Client(this.s3.location(this.bucket, 'sub/'), s3Keys)
    const objects = new S3AuditObjects(new S3Objects(client))
    const store = new SharedStore({ chain, objects })
    const writers: AuditWriter[] = []
    this.#closing.push(async () => {
      for (const writer of writers) await writer.close()
      await objects.close()
      await metadata.close()
    })
    const encode = (ids: readonly string[], outcome: 'allowed' | 'denied'): string[] =>
      ids.map((id) => encodeAuditRecord(auditRecordOf(id, { outcome })))
    return {
      metadata,
      chain,
      objects,
      store,
      async open(extra = {}) {
        const writer = await openWriter(metadata, store, extra)
        writers.push(writer)
        return writer
      },
      record: (...ids) => metadata.outbox.record(encode(ids, 'allowed'), 1),
      deny: (...ids) => metadata.outbox.denials.record(encode(ids, 'denied'), 1),
    }
  }

  sql(text: string): Promise<Record<string, unknown>[]> {
    return queryAt(this.url, text)
  }

  async end(): Promise<void> {
    for (const close of this.#closing.splice(0)) await close()
  }
}

function openWriter(
  { outbox }: MetadataStore,
  store: AuditStore,
  extra: Partial<AuditWriterParts>,
): Promise<AuditWriter> {
  return AuditWriter.open({
    store,
    instance: 'test',
    outbox,
    denials: outbox.denials,
    heads: outbox,
    sinks: [],
    retention: eachLog(() => ({ age: 1e12, bytes: 1e12 })),
    logger: quiet,
    now: Date.now,
    newId: randomUUID,
    ...extra,
  })
}

/** All events, oldest first; without those of the audit itself. */
export async function eventsOf(
  { store }: Replica,
  query: AuditQuery = {},
  limit = 1_000_000,
): Promise<AuditEvent[]> {
  const all = await Array.fromAsync(queryAudit(store, query, limit))
  return all.filter(({ type }) => !type.startsWith('io.trow.audit.'))
}

/** The ids of all events, oldest first. */
export async function idsOf(replica: Replica): Promise<string[]> {
  return (await eventsOf(replica)).map(({ id }) => id)
}

export async function problemsOf({ store, metadata: { outbox } }: Replica): Promise<AuditProblem[]> {
  const found: AuditProblem[] = []
  const verifier = await verifierOf(outbox)
  for (const log of logNames) {
    const head = await outbox.head(log)
    for await (const event of verifyLog({ lines: store, log, head, verifier }))
      if (event.kind === 'problem') found.push(event)
  }
  return found
}
