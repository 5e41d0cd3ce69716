import type { Log } from '../log.ts'
import { reasonOf } from '../reason-of.ts'
import { rejections, type PolicyChange } from './policy-change.ts'
import type { SourceUnit } from './policy-source.ts'
import type { JudgedUnit } from './unit-book.ts'

interface RecordParts {
  /** Records changes of policies and exceptions durably. */
  readonly record: (changes: readonly PolicyChange[], generation: number) => Promise<void>
  readonly log: Log
}

/** In milliseconds, after an attempt that failed. */
const retryDelay = 1000
/** The newest changes are kept while none can be recorded. */
const mostWaiting = 10_000
/** Changes of one set that are logged one by one; a large folder has thousands at the first start. */
const mostLogged = 20

/** Has changes of policies recorded, in turn, each until that has succeeded. */
export class PolicyRecords {
  readonly #parts: RecordParts
  /** The problems of each broken unit that are recorded already. */
  readonly #told = new Map<string, string>()
  #waiting: readonly PolicyChange[] = []
  #writing: Promise<void> = Promise.resolve()
  #generation = 0
  #timer: NodeJS.Timeout | undefined

  constructor(parts: RecordParts) {
    this.#parts = parts
  }

  /** Adds the rejections that are new among the units. Resolves after the first attempt to record it all. */
  async add(
    {
      changes,
      isRecorded,
      judged,
      units,
    }: {
      readonly changes: readonly PolicyChange[]
      /** The changes are on record already. */
      readonly isRecorded: boolean
      readonly judged: readonly JudgedUnit[]
      readonly units: readonly SourceUnit[]
    },
    generation: number,
  ): Promise<void> {
    const sources = new Map(units.map((unit) => [unit.name, unit]))
    const rejected = rejections(
      judged.map((unit) => {
        const { changedBy, changedAt } = sources.get(unit.name) ?? {}
        return { ...unit, changedBy, changedAt }
      }),
      this.#told,
    )
    for (const { problem } of rejected)
      this.#parts.log.error('a policy is broken: what was last good of it stays', { problem })
    for (const { kind, object, unit } of changes.slice(0, mostLogged))
      this.#parts.log.info(`${object} was ${kind}`, { unit, generation })
    this.#generation = generation
    this.#waiting = [...this.#waiting, ...(isRecorded ? [] : changes), ...rejected].slice(-mostWaiting)
    await this.#write()
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#writing
  }

  #write(): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      const changes = this.#waiting
      if (changes.length === 0) return
      try {
        await this.#parts.record(changes, this.#generation)
        const recorded = new Set(changes)
        this.#waiting = this.#waiting.filter((change) => !recorded.has(change))
      } catch (error) {
        const reason = reasonOf(error)
        this.#parts.log.error('changes of policies could not be recorded; it is tried again', { reason })
        clearTimeout(this.#timer)
        this.#timer = setTimeout(() => void this.#write(), retryDelay)
      }
    })
    return this.#writing
  }
}
