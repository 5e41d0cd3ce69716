import { once } from 'node:events'
import { Worker, type MessagePort } from 'node:worker_threads'

/** Starts a thread from a module; a name: of one beside this one, in a checkout (.ts) and in the package (.js). */
export function startThread(
  module: string | URL,
  data: object,
  transfer: readonly MessagePort[] = [],
): Worker {
  const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const url = typeof module === 'string' ? new URL(`./${module}.${ending}`, import.meta.url) : module
  return new Worker(url, {
    workerData: data,
    transferList: [...transfer],
    // What lives for one request dies young: more room for it only costs memory and cache misses.
    resourceLimits: { maxYoungGenerationSizeMb: 3 },
  })
}

/**
 * Resolves with the first message for which `pick` gives a value; rejects when the thread ends before, has ended already,
 * or `limit` ms are over.
 */
export function firstMessage<Message, Value>(
  thread: Worker,
  pick: (message: Message) => Value | undefined,
  limit?: number,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    if (thread.threadId === -1) return reject(new Error('the thread has ended'))
    const listen = (message: Message): void => {
      const value = pick(message)
      if (value === undefined) return
      done()
      resolve(value)
    }
    const fail = (error: unknown): void => {
      done()
      reject(error instanceof Error ? error : new Error(`a thread ended early, code ${String(error)}`))
    }
    const late = (): void => fail(new Error('the thread did not answer in time'))
    const timer = limit === undefined ? undefined : setTimeout(late, limit)
    const done = (): void => {
      clearTimeout(timer)
      thread.off('message', listen).off('error', fail).off('exit', fail)
    }
    thread.on('message', listen).on('error', fail).on('exit', fail)
  })
}

export async function ended(thread: Worker): Promise<void> {
  if (thread.threadId === -1) return
  await once(thread, 'exit')
}
