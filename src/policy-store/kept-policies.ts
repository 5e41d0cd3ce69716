import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { replaceFile } from '../cluster/replace-file.ts'
import { errorCode } from '../error-code.ts'
import { flush } from '../flush.ts'
import { parseForeignJson } from '../foreign-json.ts'
import type { Instant } from '../instant.ts'
import type { ExpiredException } from './expired-exceptions.ts'
import type { GoodUnit } from './unit-book.ts'

const setSchema = z.object({
  version: z.literal(1),
  source: z.string(),
  generation: z.number().int().min(0),
  units: z.array(
    z.object({
      name: z.string(),
      version: z.string(),
      changedBy: z.string().optional(),
      changedAt: z.number().optional(),
      documents: z.array(z.unknown()),
    }),
  ),
})
const clockSchema = z.object({
  version: z.literal(1),
  floor: z.number(),
  expired: z.array(z.object({ name: z.string(), expires: z.number(), hash: z.string() })),
})

/** A policy set as stored on disk: its documents, which are checked again when they are read. */
export interface KeptSet {
  readonly source: string
  readonly generation: number
  readonly units: readonly Omit<GoodUnit, 'objects'>[]
}

export interface KeptClock {
  readonly floor: Instant
  readonly expired: readonly ExpiredException[]
}

/**
 * The state that a later process needs, in its own folder: the last good set, and which exceptions have
 * expired.
 */
export class KeptPolicies {
  readonly #set: string
  readonly #clock: string
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
    this.#set = join(folder, 'last-good.json')
    this.#clock = join(folder, 'clock.json')
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  /** Undefined: none is stored. Throws when it cannot be read or is invalid. */
  readSet(): KeptSet | undefined {
    const read = readJson(this.#set, setSchema)
    if (read === undefined) return undefined
    const { source, generation, units } = read
    return {
      source,
      generation,
      units: units.map(({ changedBy, changedAt, ...unit }) => ({ ...unit, changedBy, changedAt })),
    }
  }

  /** Undefined and throws as `readSet`. */
  readClock(): KeptClock | undefined {
    return readJson(this.#clock, clockSchema)
  }

  /** Replaces the stored set; it is on disk when the promise resolves. */
  async writeSet({ source, generation, units }: KeptSet): Promise<void> {
    const kept = units.map(({ name, version, changedBy, changedAt, documents }) => ({
      name,
      version,
      changedBy,
      changedAt,
      documents,
    }))
    await this.#write(this.#set, { version: 1, source, generation, units: kept })
  }

  async writeClock(clock: KeptClock): Promise<void> {
    await this.#write(this.#clock, { version: 1, ...clock })
  }

  async #write(path: string, content: object): Promise<void> {
    await replaceFile(path, `${JSON.stringify(content)}\n`, 0o600)
    await flush(this.#folder)
  }
}

function readJson<Schema extends z.ZodType>(path: string, schema: Schema): z.infer<Schema> | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
  // Written by trow, so without a limit; the disk may have damaged it.
  return parseForeignJson(text, schema, Infinity)
}
