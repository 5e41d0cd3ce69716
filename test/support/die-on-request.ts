import http from 'node:http'
import { isMainThread } from 'node:worker_threads'

/** Loaded into a server's threads: a worker that is told `X-Die: now` throws where nobody catches. */
if (!isMainThread) {
  const { emit } = http.Server.prototype
  http.Server.prototype.emit = function (this: http.Server, event: string | symbol, ...values: unknown[]) {
    const [message] = values as [http.IncomingMessage | undefined]
    if (event === 'request' && message?.headers['x-die'] === 'now') throw new Error('told to die')
    return emit.call(this, event as never, ...(values as never[]))
  } as typeof emit
}
