import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { MessageChannel, Worker } from 'node:worker_threads'

/**
 * Bare Node: node:http(s) and the input and output that a durable registry cannot do without, and nothing else: no
 * database, no rules, no checks. bench/README.md says what it does.
 */
export interface BareNodeStart {
  readonly folder: string
  readonly port: number
  readonly number: number
  readonly cert: string | undefined
  readonly key: string | undefined
}

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    port: { type: 'string' },
    workers: { type: 'string' },
    cert: { type: 'string' },
    key: { type: 'string' },
  },
})
const folder = values.data as string
mkdirSync(join(folder, 'uploads'), { recursive: true })
for (let index = 0; index < 256; index++) {
  mkdirSync(join(folder, 'blobs', index.toString(16).padStart(2, '0')), { recursive: true })
}

const journal = new Worker(new URL('bare-node-journal.ts', import.meta.url), { workerData: { folder } })
const ready: Promise<void>[] = []
for (let number = 0; number < Number(values.workers); number++) {
  const { port1, port2 } = new MessageChannel()
  journal.postMessage(port1, [port1])
  const start: BareNodeStart = {
    folder,
    port: Number(values.port),
    number,
    cert: values.cert && readFileSync(values.cert, 'utf8'),
    key: values.key && readFileSync(values.key, 'utf8'),
  }
  const worker = new Worker(new URL('bare-node-worker.ts', import.meta.url), {
    workerData: { start, journal: port2 },
    transferList: [port2],
  })
  ready.push(new Promise((resolve) => worker.once('message', () => resolve())))
}
await Promise.all(ready)
console.error('listening')
