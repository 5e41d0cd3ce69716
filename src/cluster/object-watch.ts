import { setTimeout as sleep } from 'node:timers/promises'
import { ClusterFault } from './cluster-fault.ts'
import type { KubeChange, KubeObject } from './cluster-objects.ts'
import { z } from 'zod'
import { parseForeignJson } from '../foreign-json.ts'

/** Bytes of one line: an object has 1.5 MiB at most in etcd, and is larger as JSON. */
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

/** The requests of a watch; each rejects with ClusterFault. */
export interface WatchSource {
  list(): Promise<ObjectPage>
  /** The lines of a watch from this version on: JSON of meta/v1 WatchEvents, including bookmarks. */
  changes(resourceVersion: string): Promise<AsyncIterable<Uint8Array>>
}

export interface WatchListeners {
  readonly onChange: (change: KubeChange) => void
  readonly onFault?: (fault: Error) => void
}

/** Milliseconds between two attempts: doubled from `first` up to `last`. */
const pauses = { first: 250, last: 30_000 }

/**
 * Lists, then watches (Kubernetes API concepts, "Efficient detection of changes") until the signal aborts. A watch that
 * ends is resumed; after 410 Gone it starts with a new list. Objects that vanished are reported as absent.
 */
export async function watchObjects(
  source: WatchSource,
  { onChange, onFault }: WatchListeners,
  signal: AbortSignal,
): Promise<void> {
  const known = new Map<string, KubeObject>()
  let from: string | undefined
  let pause = pauses.first
  // An error thrown by a listener is a bug and is not retried.
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
      // The server ends each watch after some minutes. The pause prevents a busy loop if it ends them at once.
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

/** The server's reason for ending a watch: a meta/v1 Status. */
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
