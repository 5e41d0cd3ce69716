import { chmodSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { backup } from '../../registry/backup.ts'
import { checkStorage } from '../../registry/fsck.ts'
import type { GarbageSchedule } from '../maintenance/garbage-schedule.ts'
import type { MaintenanceStores } from '../maintenance/stores.ts'
import { auditFolder, type AuditSource } from '../audit/audit-source.ts'
import { auditRoute } from './audit-routes.ts'
import { controlSocketPath, socketName } from './socket-path.ts'

export interface ControlParts {
  readonly stores: MaintenanceStores
  readonly schedule: GarbageSchedule
  /** Undefined: the folder `audit` of the data folder. */
  readonly audit?: AuditSource
}

/**
 * Serves commands of this machine's user on a Unix socket (0600) in the data folder: `POST /gc[?dry-run]`,
 * `POST /fsck[?repair]` and `GET /audit/…` as lines of JSON events, `GET /backup` as a stream. A last line `{"error":…}` says that it failed.
 */
export class ControlServer {
  readonly #server: Server
  readonly #path: string

  private constructor(server: Server, path: string) {
    this.#server = server
    this.#path = path
  }

  static async listen(folder: string, parts: ControlParts): Promise<ControlServer> {
    const real = join(folder, socketName)
    rmSync(real, { force: true })
    const audit = parts.audit ?? { folder: auditFolder(folder), heads: parts.stores.metadata.outbox }
    const server = createServer((request, response) => void answer(request, response, { ...parts, audit }))
    const socket = controlSocketPath(folder)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(socket.path, resolve)
    })
    socket.close()
    chmodSync(real, 0o600)
    return new ControlServer(server, real)
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
    rmSync(this.#path, { force: true })
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  parts: ControlParts & { readonly audit: AuditSource },
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://control')
  const abort = new AbortController()
  response.once('close', () => abort.abort())
  const { stores, schedule } = parts
  try {
    switch (`${request.method} ${pathname}`) {
      case 'POST /gc':
        return await sendEvents(response, schedule.run({ dryRun: searchParams.has('dry-run') }))
      case 'POST /fsck': {
        const options = { repair: searchParams.has('repair'), rate: stores.fsckRate, signal: abort.signal }
        return await sendEvents(response, checkStorage(stores, options))
      }
      case 'GET /backup':
        return await pipeline(backup(stores, abort.signal), response)
      default: {
        const url = { pathname, searchParams }
        const events = request.method === 'GET' ? auditRoute(parts.audit, url, abort.signal) : undefined
        if (events !== undefined) return await sendEvents(response, events)
        response.writeHead(404).end()
      }
    }
  } catch {
    // The client has gone, or sees that the stream ends early.
    response.destroy()
  }
}

async function sendEvents(response: ServerResponse, events: AsyncIterable<object>): Promise<void> {
  try {
    for await (const event of events) {
      if (response.destroyed) return
      if (!response.write(`${JSON.stringify(event)}\n`)) await drained(response)
    }
    response.end()
  } catch (error) {
    response.end(`${JSON.stringify({ error: (error as Error).message })}\n`)
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    response.once('drain', resolve)
    response.once('close', resolve)
  })
}
