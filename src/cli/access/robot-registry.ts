import type { AccessStore, RobotRecord } from '../../metadata/access-store.ts'
import { UserError } from '../../user-error.ts'
import { askServer, readEvents } from '../control/control-client.ts'
import { localAuditRecord } from '../../serve/control/local-audit-record.ts'
import { createLogger } from '../../serve/logger.ts'
import { openLocalStores } from '../maintenance/local-stores.ts'
import type { Terminal } from '../streams.ts'
import type { Settings } from '../../settings/settings-schema.ts'

/** The robots of a data folder: through its server if one runs, otherwise in the folder itself. */
export class RobotRegistry {
  readonly #settings: Settings
  readonly #env: Terminal['env']

  constructor(settings: Settings, env: Terminal['env']) {
    this.#settings = settings
    this.#env = env
  }

  /** Returns false if the name is taken. */
  async add(robot: RobotRecord): Promise<boolean> {
    const events = await this.#ask<{ added: boolean }>('POST', '/robots', JSON.stringify(robot))
    return (
      events?.[0]?.added ??
      this.#local((store) => store.addRobot(robot, localAuditRecord('robot-create', robot.name)))
    )
  }

  async list(): Promise<readonly RobotRecord[]> {
    return (await this.#ask<RobotRecord>('GET', '/robots')) ?? this.#local((store) => store.listRobots())
  }

  /** Returns false if there is no such robot. */
  async remove(name: string): Promise<boolean> {
    const events = await this.#ask<{ removed: boolean }>('DELETE', `/robots/${encodeURIComponent(name)}`)
    return (
      events?.[0]?.removed ??
      this.#local((store) =>
        store.removeRobot(name, { auditRecord: localAuditRecord('robot-revoke', name), now: Date.now() }),
      )
    )
  }

  /** Returns `undefined` if no server serves the folder. */
  async #ask<Event>(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: string,
  ): Promise<Event[] | undefined> {
    const reply = await askServer(this.#settings.data, method, path, body)
    if (reply === undefined) return undefined
    if (reply.statusCode !== 200) {
      reply.resume()
      throw new UserError(
        'SERVER_FAILED',
        `the server answered ${reply.statusCode}: it may be an older trow`,
        {
          hint: 'Restart trow serve after an upgrade.',
        },
      )
    }
    const events: Event[] = []
    for await (const event of readEvents<Event>(reply)) events.push(event)
    return events
  }

  async #local<Result>(act: (store: AccessStore) => Promise<Result>): Promise<Result> {
    const log = createLogger({ format: 'text', level: this.#settings['log-level'] })
    const { stores, close } = await openLocalStores(this.#settings, { log, env: this.#env })
    try {
      return await act(stores.metadata.access)
    } finally {
      await close()
    }
  }
}
