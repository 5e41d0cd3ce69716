import assert from 'node:assert/strict'
import { digestOf, manifestOf, pushImage, targetOf, type Door } from './client.ts'

/** One operation: when it was asked and answered, and the version that it wrote or read. */
interface Operation {
  readonly kind: 'write' | 'read'
  readonly version: number
  readonly began: number
  readonly ended: number
}

/** A tag that one process moves from version to version, while all of them are asked for it. */
export class Register {
  readonly history: Operation[] = []
  readonly #tag: string
  readonly #writer: Door
  readonly #readers: readonly Door[]
  readonly #versions: number
  readonly #known = new Map<string, number>()

  constructor(
    tag: string,
    parts: { readonly writer: Door; readonly readers: readonly Door[]; readonly versions: number },
  ) {
    this.#tag = tag
    this.#writer = parts.writer
    this.#readers = parts.readers
    this.#versions = parts.versions
  }

  async run(): Promise<void> {
    let isOver = false
    const reads = this.#readers.map(async (door) => {
      while (!isOver) await this.#read(door)
    })
    for (let version = 1; version <= this.#versions; version++) await this.#write(version)
    isOver = true
    await Promise.all(reads)
    for (const door of this.#readers) await this.#read(door)
  }

  async #write(version: number): Promise<void> {
    const text = `${this.#tag} ${version}`
    this.#known.set(digestOf(manifestOf(text)), version)
    const began = performance.now()
    await pushImage(this.#writer, this.#tag, text)
    this.history.push({ kind: 'write', version, began, ended: performance.now() })
  }

  async #read(door: Door): Promise<void> {
    const began = performance.now()
    const target = await targetOf(door, this.#tag)
    const ended = performance.now()
    const version = target === undefined ? 0 : this.#known.get(target)
    assert.ok(version !== undefined, `${target} was never written`)
    this.history.push({ kind: 'read', version, began, ended })
  }
}

/**
 * Versions only grow, so a history is linearizable if no operation shows less than one that had ended before it
 * began has written or read. Returns the number of reads.
 */
export function checkHistory(history: readonly Operation[]): number {
  const byEnd = history.toSorted((a, b) => a.ended - b.ended)
  let [next, least] = [0, 0]
  let stale = 0
  for (const { kind, version, began } of history.toSorted((a, b) => a.began - b.began)) {
    for (let one = byEnd[next]; one !== undefined && one.ended < began; one = byEnd[++next])
      least = Math.max(least, one.version)
    if (kind === 'read' && version < least) stale += 1
  }
  const reads = history.filter(({ kind }) => kind === 'read').length
  assert.equal(stale, 0, `${stale} of ${reads} reads were stale`)
  return reads
}
