import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'

export const socketName = 'trow.sock'

const longest = 100

export interface SocketPath {
  readonly path: string
  /** To be called after the socket was bound or connected. */
  close(): void
}

/**
 * Returns the control socket's path. A path that is too long for the kernel (108 bytes) goes through an open
 * descriptor of the folder.
 */
export function controlSocketPath(folder: string): SocketPath {
  const path = join(folder, socketName)
  if (Buffer.byteLength(path) <= longest || process.platform !== 'linux') return { path, close() {} }
  const descriptor = openSync(folder, 'r')
  return {
    path: `/proc/self/fd/${descriptor}/${socketName}`,
    close: () => closeSync(descriptor),
  }
}
