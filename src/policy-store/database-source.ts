import { reasonOf } from '../reason-of.ts'
import { unitName } from './object-unit.ts'
import type { PolicyDatabase, PolicyLook, StoredDocument } from './policy-database.ts'
import { readPolicyText } from './policy-files.ts'
import type { PolicyPoll } from './policy-poll.ts'
import type { PolicySource, SourceListener, SourceUnit } from './policy-source.ts'

/**
 * The policies in the database of a registry, each object a unit. All processes of the registry read the same ones;
 * each sees a change within the time between two looks.
 */
export class DatabaseSource implements PolicySource {
  readonly name = 'the database'
  readonly #database: Pick<PolicyDatabase, 'documents'>
  readonly #poll: Pick<PolicyPoll, 'listen'>
  #listener: SourceListener | undefined
  #units: ReadonlyMap<string, SourceUnit> = new Map()
  /** Of the last look at which the documents were read; undefined: they have not been read yet. */
  #revision: number | undefined
  /** The newest of the documents that were read. */
  #version = 0
  #reading: Promise<void> = Promise.resolve()

  constructor(parts: {
    readonly database: Pick<PolicyDatabase, 'documents'>
    readonly poll: Pick<PolicyPoll, 'listen'>
  }) {
    this.#database = parts.database
    this.#poll = parts.poll
  }

  watch(listener: SourceListener): void {
    this.#listener = listener
    this.#poll.listen({
      looked: (look) => {
        this.#reading = this.#reading.then(() => this.#take(look))
      },
      away: (reason) => this.#listener?.away(reason),
    })
  }

  close(): Promise<void> {
    this.#listener = undefined
    return this.#reading
  }

  async #take({ revision }: PolicyLook): Promise<void> {
    if (this.#listener === undefined) return
    if (revision === this.#revision) return this.#listener.alive()
    try {
      const documents = await this.#database.documents(this.#version)
      this.#units = new Map(documents.map((each) => [unitName(each.kind, each.name), this.#unit(each)]))
      this.#version = Math.max(0, ...documents.map(({ version }) => version))
      this.#revision = revision
      this.#listener.state([...this.#units.values()])
    } catch (error) {
      this.#listener.away(reasonOf(error))
    }
  }

  #unit({ kind, name, version, changedBy, changedAt, document }: StoredDocument): SourceUnit {
    const unit = unitName(kind, name)
    if (document !== undefined)
      return { name: unit, version: String(version), changedBy, changedAt, ...readPolicyText(document) }
    const known = this.#units.get(unit)
    if (known?.version !== String(version)) throw new Error(`${unit} was not read`)
    return known
  }
}
