import { counted } from '../../counted.ts'
import { named } from '../../cluster/grouped-faults.ts'
import type { Log } from '../../log.ts'
import type { DatabaseStanding, ServingDatabase } from '../../metadata/serving-processes.ts'
import { reasonOf } from '../../reason-of.ts'
import { commonSettings } from '../../settings/common-settings.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import type { DatabaseSight } from './database-sight.ts'
import { durabilityOf } from './durability.ts'
import { differenceKey, settingDifferences } from './setting-differences.ts'

/** Milliseconds between two looks. */
const interval = 10_000

export interface DatabaseWatchParts {
  readonly database: ServingDatabase
  /** Whether other processes may serve the registry, too. */
  readonly isShared: boolean
  /** This process, as in `ServingProcess`. */
  readonly id: string
  readonly name: string
  readonly settings: Settings
  readonly log: Log
}

/**
 * Looks every 10 s at what an operator should know of the database: how durable commits are, and whether the processes
 * that share it run with the same settings. Each finding is logged once, until it has changed.
 */
export class DatabaseWatch {
  readonly #parts: DatabaseWatchParts
  #settings: Settings
  #sight: DatabaseSight = {
    away: 'it was not asked yet',
    durability: undefined,
    others: undefined,
    differences: [],
    idlePolicies: 0,
  }
  /** Keys of what was logged. */
  #said: ReadonlySet<string> = new Set()
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> = Promise.resolve()
  #hasMet = false

  constructor(parts: DatabaseWatchParts) {
    this.#parts = parts
    this.#settings = parts.settings
  }

  get sight(): DatabaseSight {
    return this.#sight
  }

  start(): void {
    this.#looking = this.#look().then(() => {
      this.#timer = setInterval(() => this.#soon(), interval)
    })
  }

  /** The others are told at once. */
  setSettings(settings: Settings): void {
    this.#settings = settings
    this.#soon()
  }

  async stop(): Promise<void> {
    await this.#looking
    clearInterval(this.#timer)
    const { database, id } = this.#parts
    // Nobody waits for a database that is away.
    if (this.#hasMet && this.#sight.away === undefined) await database.leave(id).catch(() => undefined)
  }

  #soon(): void {
    this.#looking = this.#looking.then(() => this.#look())
  }

  async #look(): Promise<void> {
    try {
      const { database, isShared, id, name } = this.#parts
      const own = commonSettings(this.#settings)
      const standing = await database.standing()
      const others = isShared ? await database.meet({ id, name, settings: JSON.stringify(own) }) : undefined
      this.#hasMet ||= isShared
      this.#sight = {
        away: undefined,
        durability: durabilityOf(standing),
        others: others?.map((other) => other.name),
        differences: settingDifferences(own, others ?? []),
        idlePolicies: this.#idlePolicies(standing),
      }
      this.#say()
    } catch (error) {
      this.#sight = { ...this.#sight, away: reasonOf(error) }
    }
  }

  /** While another process judges by them, the difference of the settings says more. */
  #idlePolicies({ policies }: DatabaseStanding): number {
    return this.#settings['policy-database'] ? 0 : policies
  }

  #say(): void {
    const { log } = this.#parts
    const { durability, differences, idlePolicies } = this.#sight
    const lines = new Map<string, () => void>()
    if (durability?.isSafe === false)
      lines.set(`durability ${durability.text}`, () =>
        log.warn('pushes are kept as durable as PostgreSQL is', { database: durability.text }),
      )
    if (idlePolicies > 0)
      lines.set('policies', () =>
        log.warn(
          'the database holds policies that are not in force here: --policy-database would judge by them',
          {
            holds: counted(idlePolicies, 'policy or exception', 'policies and exceptions'),
          },
        ),
      )
    for (const difference of differences) {
      const { setting, here, there, processes } = difference
      lines.set(differenceKey(difference) + here, () =>
        log.warn('another process of this registry runs with another setting', {
          setting,
          here,
          there,
          process: named(processes),
        }),
      )
    }
    for (const [key, write] of lines) if (!this.#said.has(key)) write()
    if (lines.size === 0 && this.#said.size > 0)
      log.info('the database and the other processes of this registry are as they should be again')
    this.#said = new Set(lines.keys())
  }
}
