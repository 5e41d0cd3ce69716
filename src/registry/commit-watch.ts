import { randomUUID } from 'node:crypto'
import type { BlobStore } from '../blobs/blob-store.ts'
import type { Clocks } from '../clocks.ts'
import type { Log } from '../log.ts'
import type { CommitMark, MarkCopy, MarkStanding } from '../metadata/commit-marks.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { reasonOf } from '../reason-of.ts'

/** Milliseconds between two looks. */
const usualInterval = 30_000
/** Milliseconds for which another database counts as one that writes. */
const othersStay = 300_000

export interface CommitWatchParts {
  readonly metadata: MetadataStore
  readonly blobs: BlobStore
  readonly clocks: Clocks
  readonly log: Log
  /** Names this process and its database, for the people of another one. */
  readonly writer: string
  /** Milliseconds between two looks. */
  readonly interval?: number
}

/** Why nothing may be deleted. */
export type CommitDoubt =
  | { readonly reason: 'commits-lost'; readonly until: number; readonly at: number }
  | { readonly reason: 'two-databases'; readonly until: number; readonly writers: readonly string[] }

/**
 * Notices that the database has lost commits, by a failover or a restore, and that another database answers for the
 * same blobs: see `CommitMarks`. In both cases rows and bytes may not belong together, and nothing is deleted.
 */
export class CommitWatch {
  readonly #parts: CommitWatchParts
  readonly #interval: number
  #known: (CommitMark & { readonly at: number }) | undefined
  #standing: MarkStanding = { lost: undefined, others: [] }
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined
  #isStopped = false

  constructor(parts: CommitWatchParts) {
    this.#parts = parts
    this.#interval = parts.interval ?? usualInterval
  }

  /** As the last look has found it. */
  get standing(): MarkStanding {
    return this.#standing
  }

  /** Looks now and at an interval; calls back whenever a look finds something new. */
  start(onFound: () => void): void {
    const look = async (): Promise<void> => {
      const before = JSON.stringify(this.#standing)
      try {
        await this.look(0)
      } catch (error) {
        this.#parts.log.debug('the marks of commits cannot be compared now', { reason: reasonOf(error) })
      }
      if (this.#isStopped) return
      this.#timer = setTimeout(() => {
        this.#looking = look()
      }, this.#interval)
      this.#timer.unref()
      if (JSON.stringify(this.#standing) !== before) onFound()
    }
    this.#looking = look()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    await this.#looking
  }

  /**
   * Compares the marks, and makes a new one where one is due. Resolves to why nothing may be deleted; undefined: it
   * may. `grace`: milliseconds for which lost commits suspend deletion.
   */
  async look(grace: number): Promise<CommitDoubt | undefined> {
    const { metadata, blobs, clocks, writer } = this.#parts
    const copies = [...(await blobs.notes.read())].flatMap(([history, text]) => copyOf(history, text))
    const fresh = { token: randomUUID(), history: randomUUID() }
    const answer = await metadata.marks.mark({
      copies,
      known: this.#known,
      fresh,
      // The first mark of a process shows to a restored copy that there was this process.
      every: this.#known === undefined ? 0 : this.#interval / 2,
      now: clocks.wall(),
    })
    const { mark, history, at, found, lost, others } = answer
    // A thread that misses what it has answered says so in the database.
    const isNews =
      found === 'commits-lost' || (this.#known !== undefined && lost?.at !== this.#standing.lost?.at)
    this.#known = { ...mark, at }
    this.#standing = { lost, others: others.filter(({ seenAt }) => at - seenAt < othersStay) }
    this.#tell(found, isNews)
    if (mark.token === fresh.token)
      await blobs.notes.write(history, `${mark.number} ${mark.token}\n${writer}\n`)
    return this.#doubt(at, grace)
  }

  /** Throws if the last look has found a reason why nothing may be deleted. Cheap. */
  check(grace: number): void {
    const doubt = this.#doubt(this.#known?.at ?? 0, grace)
    if (doubt !== undefined) throw new Error(`nothing is deleted any more: ${doubt.reason}`)
  }

  #doubt(now: number, grace: number): CommitDoubt | undefined {
    const { lost, others } = this.#standing
    if (others.length > 0) {
      const until = Math.max(...others.map(({ seenAt }) => seenAt)) + othersStay
      return { reason: 'two-databases', until, writers: others.map(({ writer }) => writer) }
    }
    if (lost === undefined || now >= lost.at + grace) return undefined
    return { reason: 'commits-lost', until: lost.at + grace, at: lost.at }
  }

  #tell(found: 'nothing' | 'commits-lost' | 'other-database', areCommitsLost: boolean): void {
    const { log } = this.#parts
    if (areCommitsLost) {
      log.error(
        'the database has lost commits: it was restored, or a standby without them became the primary; nothing is deleted for one grace period',
      )
    }
    if (found === 'other-database') {
      log.error('another database answers for the same blobs: nothing is deleted while it does', {
        others: this.#standing.others.map(({ writer }) => writer).join(', '),
      })
    }
  }
}

/** No copy: it is none of ours. */
function copyOf(history: string, text: string): readonly MarkCopy[] {
  const [, number, token, writer] = /^(\d{1,15}) ([0-9a-f-]{36})\n([^\n]{0,500})\n$/.exec(text) ?? []
  if (number === undefined || token === undefined || writer === undefined) return []
  return [{ history, number: Number(number), token, writer }]
}
