import { chmodSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { AuditSource } from '../../audit/audit-request.ts'
import { answerAudit } from './audit-routes.ts'
import { answerMaintenance, type MaintenanceControl } from './maintenance-control.ts'
import { controlSocketPath, socketName } from './socket-path.ts'

export interface ControlParts extends MaintenanceControl {
  readonly audit: AuditSource
}

/** Serves commands of this machine's user on a Unix socket (0600) in the data folder, a file for each subject. */
export class ControlServer {
  readonly #server: Server
  readonly #path: string

  private constructor(server: Server, path: string) {
    this.#server = server
    this.#path = path
  }

  static async listen(folder: string, parts: ControlParts): Promise<ControlServer> {
    const real = join(folder, socketName)
    // Nobody else can connect before the mode is set: it is bound where only this user gets to.
    const closed = join(folder, '.new')
    rmSync(closed, { recursive: true, force: true })
    mkdirSync(closed, { mode: 0o700 })
    const server = createServer((request, response) => void answer(request, response, parts))
    const socket = controlSocketPath(closed)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(socket.path, resolve)
    })
    socket.close()
    chmodSync(join(closed, socketName), 0o600)
    renameSync(join(closed, socketName), real)
    rmSync(closed, { recursive: true, force: true })
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
  parts: ControlParts,
): Promise<void> {
  const asked = { method: request.method ?? '', url: new URL(request.url ?? '/', 'http://control') }
  try {
    const answered =
      (await answerMaintenance(asked, response, parts)) ||
      (await robots(asked, { request, response }, parts)) ||
      (await answerAudit(asked, response, parts.audit))
    if (!answered) response.writeHead(404).end()
  } catch {
    // The client has gone, or sees that the stream ends early.
    response.destroy()
  }
}

/** Rare, and the only one that needs a validator: it is loaded when it is asked for. */
async function robots(
  asked: { readonly method: string; readonly url: URL },
  exchange: { readonly request: IncomingMessage; readonly response: ServerResponse },
  { stores }: ControlParts,
): Promise<boolean> {
  if (!asked.url.pathname.startsWith('/robots')) return false
  const { answerRobots } = await import('./robots-control.ts')
  return answerRobots(asked, exchange, stores.metadata.access)
}
