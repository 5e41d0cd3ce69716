import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { defaultOutboxBound, type OutboxBound } from '../rules/change-outbox.ts'
import { Generations } from '../cache/generations.ts'
import { databasePath, openForWriting } from './sqlite-file.ts'
import { SqliteWriter } from './sqlite-writer.ts'
import { UploadClaims } from './upload-claims.ts'
import { WriterPorts } from './writer-port.ts'

/** What a writer is told first, as `workerData`. */
export interface WriterStart {
  readonly folder: string
  readonly generations: SharedArrayBuffer
  /** What becomes of changes whose notes cannot be kept. */
  readonly unrecorded: OutboxBound['beyond']
}

/** What the main thread says later. */
export type WriterOrder =
  | { readonly kind: 'attach'; readonly port: MessagePort; readonly opensUploads: boolean }
  /** Answer what was asked, close the file, end. */
  | { readonly kind: 'stop' }

const start = workerData as WriterStart
const claims = new UploadClaims()
const database = openForWriting(databasePath(start.folder))
const writer = new SqliteWriter({
  database,
  generations: new Generations(start.generations),
  claims,
  bound: { ...defaultOutboxBound, beyond: start.unrecorded },
})
const ports = new WriterPorts(writer, claims)
parentPort?.on('message', (order: WriterOrder) => {
  if (order.kind === 'attach') return ports.serve(order.port, order)
  void writer.idle().then(() => {
    database.close()
    parentPort?.close()
  })
})
