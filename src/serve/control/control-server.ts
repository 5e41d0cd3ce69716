import { chmodSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { TrustedProxies } from '../../http/client-address.ts'
import { HttpListener } from '../../http/http-listener.ts'
import { ControlSurface, type ControlParts } from './control-surface.ts'
import { controlSocketPath, socketName } from './socket-path.ts'

/**
 * Milliseconds. The client is a command on this machine; its output may pause in a pager or on a slow disk,
 * and must not be cut off.
 */
const longestPause = 24 * 3_600_000

/** Serves commands of this machine's user on a Unix socket (0600) in the data folder. */
export class ControlServer {
  readonly #listener: HttpListener
  readonly #path: string

  private constructor(listener: HttpListener, path: string) {
    this.#listener = listener
    this.#path = path
  }

  static async listen(folder: string, parts: ControlParts): Promise<ControlServer> {
    const real = join(folder, socketName)
    // The socket is bound in a folder that only this user can enter, so no other user can connect before the
    // mode is set.
    const closed = join(folder, '.new')
    rmSync(closed, { recursive: true, force: true })
    mkdirSync(closed, { mode: 0o700 })
    const listener = new HttpListener({
      surface: new ControlSurface(parts),
      log: parts.stores.log,
      replies: undefined,
      proxies: new TrustedProxies([]),
      hosts: undefined,
      idleTimeout: longestPause,
      tls: undefined,
      certificates: false,
      accessLog: undefined,
      idPrefix: 'control',
      now: Date.now,
    })
    const socket = controlSocketPath(closed)
    await listener.listen({ path: socket.path })
    socket.close()
    chmodSync(join(closed, socketName), 0o600)
    renameSync(join(closed, socketName), real)
    rmSync(closed, { recursive: true, force: true })
    return new ControlServer(listener, real)
  }

  async close(): Promise<void> {
    await this.#listener.close(0)
    rmSync(this.#path, { force: true })
  }
}
