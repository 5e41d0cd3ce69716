import { once } from 'node:events'
import { Worker, type MessagePort } from 'node:worker_threads'

/** Who asks for numbers is not kept waiting by a thread that is busy; milliseconds. */
export const patience = 2000

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

export async function ended(thread: Worker): Promise<void> {
  if (thread.threadId === -1) return
  await once(thread, 'exit')
}
