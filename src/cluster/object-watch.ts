import { setTimeout as sleep } from 'node:timers/promises'
import { ClusterFault } from './cluster-fault.ts'
import type { KubeChange, KubeObject, ObjectName, WatchListeners } from './cluster-objects.ts'
import { z } from 'zod'
import { parseForeignJson } from '../foreign-json.ts'
import { errorOf } from '../reason-of.ts'

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
  /** Milliseconds between two attempts, at most; 30 s by default. */
  readonly longestPause?: number
}

/** Milliseconds between two attempts: doubled from `first` up to `last`. */
const pauses = { first: 250, last: 30_000 }

/**
 * Lists, then watches (Kubernetes API concepts, "Efficient detection of changes") until the signal aborts. A watch that
 * ends is resumed; after 410 Gone it starts with a new list. Objects that vanished are reported as absent.
 */
export function watchObjects(
  source: WatchSource,
  listeners: WatchListeners,
  signal: AbortSignal,
): Promise<void> {
  return new ObjectWatch(source, listeners, signal).run()
}

/**
 * Keeps no object, which may have a megabyte, beyond the call that hands it on. Objects and lines are therefore in no variable of a
 * function that waits for the next change.
 */
class ObjectWatch {
  readonly #source: WatchSource
  readonly #listeners: WatchListeners
  readonly #signal: AbortSignal
  readonly #known = new Map<string, ObjectName>()
  #from: string | undefined
  #pause = pauses.first
  /** An error thrown by a listener is a bug and is not retried. */
  #bug: { readonly error: unknown } | undefined

  constructor(source: WatchSource, listeners: WatchListeners, signal: AbortSignal) {
    this.#source = source
    this.#listeners = listeners
    this.#signal = signal
  }

  async run(): Promise<void> {
    const signal = this.#signal
    while (!signal.aborted) {
      try {
        if (this.#from === undefined) await this.#list()
        if (signal.aborted || this.#from === undefined) return
        await this.#follow(this.#from)
        if (signal.aborted) return
        this.#listeners.onHeard?.()
        // The server ends each watch after some time. The pause prevents a busy loop if it ends them at once.
        await sleep(pauses.first, undefined, { signal }).catch(() => undefined)
      } catch (error) {
        if (this.#bug !== undefined) throw this.#bug.error
        if (signal.aborted) return
        await this.#recover(error)
      }
    }
  }

  async #list(): Promise<void> {
    const { items, resourceVersion } = await this.#source.list()
    if (this.#signal.aborted) return
    this.#listeners.onHeard?.()
    const present = new Set(items.map(keyOf))
    const gone = [...this.#known].filter(([key]) => !present.has(key))
    for (const [, object] of gone) this.#tell({ kind: 'absent', object })
    for (const object of items) this.#tell({ kind: 'present', object })
    this.#tell({ kind: 'synced' })
    this.#from = resourceVersion
  }

  async #follow(from: string): Promise<void> {
    const changes = await this.#source.changes(from)
    this.#listeners.onHeard?.()
    const lines = new LineSplitter((line) => this.#take(line))
    for await (const chunk of changes) lines.push(chunk)
  }

  #take(line: string): void {
    if (this.#signal.aborted) return
    this.#listeners.onHeard?.()
    const { type, object } = parseForeignJson(line, eventSchema, longestLine) as WatchEvent
    if (type === 'ERROR') throw new WatchEnded(object)
    this.#from = object.metadata.resourceVersion ?? this.#from
    this.#pause = pauses.first
    if (type === 'ADDED' || type === 'MODIFIED') this.#tell({ kind: 'present', object })
    else if (type === 'DELETED') this.#tell({ kind: 'absent', object })
  }

  #tell(change: KubeChange): void {
    if (change.kind === 'present') this.#known.set(keyOf(change.object), nameOf(change.object))
    else if (change.kind === 'absent') this.#known.delete(keyOf(change.object))
    try {
      this.#listeners.onChange(change)
    } catch (error) {
      this.#bug = { error }
      throw error
    }
  }

  async #recover(error: unknown): Promise<void> {
    const tooOld =
      (error instanceof WatchEnded && error.code === 410) ||
      (error instanceof ClusterFault && error.status === 410)
    if (tooOld) this.#from = undefined
    else this.#listeners.onFault?.(errorOf(error))
    await sleep(this.#pause, undefined, { signal: this.#signal }).catch(() => undefined)
    this.#pause = Math.min(this.#pause * 2, this.#source.longestPause ?? pauses.last)
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

function keyOf({ metadata: { namespace, name } }: ObjectName): string {
  return `${namespace ?? ''}/${name}`
}

function nameOf({ metadata: { namespace, name } }: ObjectName): ObjectName {
  return { metadata: { name, ...(namespace === undefined ? {} : { namespace }) } }
}

/** Makes lines of chunks and hands each on once it is whole, but for empty ones. */
class LineSplitter {
  readonly #take: (line: string) => void
  readonly #decoder = new TextDecoder()
  #rest: string[] = []

  constructor(take: (line: string) => void) {
    this.#take = take
  }

  push(chunk: Uint8Array): void {
    const [first = '', ...more] = this.#decoder.decode(chunk, { stream: true }).split('\n')
    this.#rest.push(first)
    for (const next of more) {
      const line = this.#rest.join('')
      this.#rest = [next]
      if (line !== '') this.#take(line)
    }
  }
}
