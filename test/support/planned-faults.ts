import { existsSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import { isMainThread, workerData } from 'node:worker_threads'
// X-Die: now
import './die-on-request.ts'

/**
 * Loaded into every thread of a server under test (`--import`).
 *
 * HANG_WHILE=<file>  a commit does not return while the file is there, as on a disk that hangs
 * REFUSE_WHILE=<file>  a worker cannot listen while the file is there
 * DIE_POLICIES=<file>  the thread that reads the policies throws while the file is there
 * X-Hang: now  in a request: the worker hangs while the file HANG_WORKER=<file> is there
 * X-Die: now  in a request, also on the control socket: the thread throws where nobody catches
 */
const { HANG_WHILE: hang = '', REFUSE_WHILE: refuse = '', DIE_POLICIES: die = '' } = process.env
const { HANG_WORKER: hangWorker = '' } = process.env

const { emit } = http.Server.prototype
http.Server.prototype.emit = function (this: http.Server, event: string | symbol, ...values: unknown[]) {
  const [message] = values as [http.IncomingMessage | undefined]
  const cell = new Int32Array(new SharedArrayBuffer(4))
  if (event === 'request' && message?.headers['x-hang'] === 'now')
    while (existsSync(hangWorker)) Atomics.wait(cell, 0, 0, 20)
  return emit.call(this, event as never, ...(values as never[]))
} as typeof emit

const exec = DatabaseSync.prototype.exec
DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
  const cell = new Int32Array(new SharedArrayBuffer(4))
  while (/^\s*commit/i.test(sql) && existsSync(hang)) Atomics.wait(cell, 0, 0, 20)
  exec.call(this, sql)
}

if (!isMainThread) {
  const { listen } = net.Server.prototype
  net.Server.prototype.listen = function (this: net.Server, ...values: unknown[]) {
    if (!existsSync(refuse)) return listen.apply(this, values as never)
    const error = Object.assign(new Error('planned'), { code: 'EADDRNOTAVAIL' })
    process.nextTick(() => this.emit('error', error))
    return this
  } as typeof listen
}

if (!isMainThread && die !== '' && typeof workerData === 'object' && 'generation' in workerData) {
  const look = (): void => {
    if (existsSync(die)) throw new Error('told to die')
  }
  setInterval(look, 20).unref()
}
