import { setTimeout as sleep } from 'node:timers/promises'
import { ClusterFault } from './cluster-fault.ts'
import type { KubeChange, KubeObject } from './cluster-objects.ts'
import { z } from 'zod'
import { parseForeignJson } from '../foreign-json.ts'

/** Bytes: an object has 1.5 MiB at most in etcd, and more as JSON. */
const longestLine = 16 * 1024 * 1024

/** meta/v1 WatchEvent; a Status (type ERROR) has metadata too. */
const eventSchema = z.object({
  type: z.enum(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']),
  object: z.looseObject({ metadata: z.looseObject({ resourceVersion: z.string().optional() }) }),
})

export interface ObjectPage {
  readonly items: readonly KubeObject[]
  readonly resourceVersion: string
}

/** What a watch asks for; each rejects with ClusterFault. */
export interface WatchSource {
  list(): Promise<ObjectPage>
  /** The lines of a watch from there on: JSON of meta/v1 WatchEvents, bookmarks among them. */
  changes(resourceVersion: string): Promise<AsyncIterable<Uint8Array>>
}

export interface WatchListeners {
  readonly onChange: (change: KubeChange) => void
  readonly onFault?: (fault: Error) => void
}

/** Milliseconds between two attempts: doubled from the first to the last. */
const pauses = { first: 250, last: 30_000 }

/**
 * List, then watch (Kubernetes API concepts, "Efficient detection of changes"), until the signal: a watch that ends goes on
 * where it was, one that is too old (410) begins with a list again. What vanished in a gap is told as absent.
 */
export async function watchObjects(
  source: WatchSource,
  { onChange, onFault }: WatchListeners,
  signal: AbortSignal,
): Promise<void> {
  const known = new Map<string, KubeObject>()
  let from: string | undefined
  let pause = pauses.first
  // Errors of a listener are bugs, and not to be tried again.
  let bug: { readonly error: unknown } | undefined
  const tell = (change: KubeChange): void => {
    if (change.kind === 'present') known.set(keyOf(change.object), change.object)
    else if (change.kind === 'absent') known.delete(keyOf(change.object))
    try {
      onChange(change)
    } catch (error) {
      bug = { error }
      throw error
    }
  }

  while (!signal.aborted) {
    try {
      if (from === undefined) {
        const { items, resourceVersion } = await source.list()
        if (signal.aborted) return
        const present = new Set(items.map(keyOf))
        const gone = [...known].filter(([key]) => !present.has(key))
        for (const [, object] of gone) tell({ kind: 'absent', object })
        for (const object of items) tell({ kind: 'present', object })
        tell({ kind: 'synced' })
        from = resourceVersion
      }
      for await (const line of linesOf(await source.changes(from))) {
        if (signal.aborted) return
        const { type, object } = parseForeignJson(line, eventSchema, longestLine) as WatchEvent
        if (type === 'ERROR') throw new WatchEnded(object)
        from = object.metadata.resourceVersion ?? from
        pause = pauses.first
        if (type === 'ADDED' || type === 'MODIFIED') tell({ kind: 'present', object })
        else if (type === 'DELETED') tell({ kind: 'absent', object })
      }
      // The server ends each watch after some minutes; one that it ends at once is not asked for in a loop.
      await sleep(pauses.first, undefined, { signal }).catch(() => undefined)
    } catch (error) {
      if (bug !== undefined) throw bug.error
      if (signal.aborted) return
      const tooOld =
        (error instanceof WatchEnded && error.code === 410) ||
        (error instanceof ClusterFault && error.status === 410)
      if (tooOld) from = undefined
      else onFault?.(error as Error)
      await sleep(pause, undefined, { signal }).catch(() => undefined)
      pause = Math.min(pause * 2, pauses.last)
    }
  }
}

interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: KubeObject
}

/** The server's own reason for ending a watch: a meta/v1 Status. */
class WatchEnded extends Error {
  readonly code: unknown

  constructor(status: KubeObject) {
    super(`the API server ended a watch: ${String(status['message'])}`)
    this.name = 'WatchEnded'
    this.code = status['code']
  }
}

function keyOf({ metadata: { namespace, name } }: KubeObject): string {
  return `${namespace ?? ''}/${name}`
}

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest: string[] = []
  for await (const chunk of chunks) {
    const [first = '', ...more] = decoder.decode(chunk, { stream: true }).split('\n')
    rest.push(first)
    for (const next of more) {
      const line = rest.join('')
      rest = [next]
      if (line !== '') yield line
    }
  }
}
