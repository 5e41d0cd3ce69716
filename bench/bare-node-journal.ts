import fs from 'node:fs'
import { join } from 'node:path'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'

/** What a worker knows of its own and of the others' pushes. */
export interface JournalEntry {
  readonly kind: 'blob' | 'manifest'
  /** `repository@digest` of a blob; `repository:reference` of a manifest. */
  readonly keys: readonly string[]
  readonly digest: string
  readonly size: number
  /** Of small content; undefined: the file `key`. */
  readonly bytes: Uint8Array | undefined
  readonly key: string | undefined
  readonly mediaType: string
}

export type JournalOrder = { readonly id: number; readonly entry: JournalEntry }
export type JournalNews =
  { readonly entries: readonly JournalEntry[] } | { readonly acknowledged: readonly number[] }

/** Room that exists already, so that a flush writes no new size: as in a write-ahead log that is used again. */
const room = 8 * 2 ** 20

const { folder } = workerData as { folder: string }
const file = fs.openSync(join(folder, 'journal'), 'w')
fs.writeSync(file, Buffer.alloc(room))
fs.fsyncSync(file)

const ports: MessagePort[] = []
let position = 0
let waiting: { port: MessagePort; order: JournalOrder }[] = []

parentPort?.on('message', (port: MessagePort) => {
  ports.push(port)
  port.on('message', (order: JournalOrder) => {
    if (waiting.length === 0) setImmediate(commit)
    waiting.push({ port, order })
  })
})

/** One append and one flush for all that has arrived; then every worker knows, then the askers are answered. */
function commit(): void {
  const batch = waiting
  waiting = []
  const parts: Buffer[] = []
  for (const { order } of batch) {
    const { bytes, ...facts } = order.entry
    parts.push(Buffer.from(JSON.stringify(facts)))
    if (bytes !== undefined) parts.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  }
  const record = Buffer.concat(parts)
  if (position + record.length > room) position = 0
  fs.writeSync(file, record, 0, record.length, position)
  fs.fdatasyncSync(file)
  position += record.length
  const entries = batch.map(({ order }) => order.entry)
  for (const port of ports) {
    port.postMessage({ entries } satisfies JournalNews)
    const acknowledged = batch.filter((each) => each.port === port).map(({ order }) => order.id)
    if (acknowledged.length > 0) port.postMessage({ acknowledged } satisfies JournalNews)
  }
}
