import { once } from 'node:events'
import { Worker, type MessagePort } from 'node:worker_threads'

/** Milliseconds. A request for metrics does not wait longer than this for a busy thread. */
export const patience = 2000
/** Milliseconds that a change of policies waits for each thread to confirm it. It is sent to the others meanwhile. */
export const confirmPatience = 2000

/**
 * Starts a thread from a module. A string names a module in this folder, in a checkout (.ts) or in the
 * package (.js).
 */
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
    // Objects of one request are short-lived: a larger young generation only costs memory and cache misses.
    resourceLimits: { maxYoungGenerationSizeMb: 3 },
  })
}

export async function ended(thread: Worker): Promise<void> {
  if (thread.threadId === -1) return
  await once(thread, 'exit')
}
