import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { ThreadChannel } from '../../messaging/thread-channel.ts'
import { defaultOutboxBound, type OutboxBound } from '../rules/outbox-bound.ts'
import { Generations } from '../cache/generations.ts'
import { databasePath, openForWriting } from './sqlite-file.ts'
import { SqliteWriter } from './sqlite-writer.ts'
import { UploadClaims } from './upload-claims.ts'
import { WriterPorts } from './writer-port.ts'

/** The writer's `workerData`. */
export interface WriterStart {
  readonly folder: string
  readonly generations: SharedArrayBuffer
  /** What happens to changes whose audit records cannot be stored. */
  readonly unrecorded: OutboxBound['beyond']
}

/** Calls that the writer's thread answers for the main thread. */
export interface WriterThread {
  attach(port: MessagePort, options: { readonly opensUploads: boolean }): void
  /** Answers all requested changes, closes the file and ends the thread. */
  stop(): void
}

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
const main = parentPort as MessagePort
const local: WriterThread = {
  attach: (port, options) => ports.serve(port, options),
  stop: () => {
    void writer.idle().then(() => {
      database.close()
      main.close()
    })
  },
}
new ThreadChannel(main, local)
