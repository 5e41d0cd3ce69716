import type { LoginFailure, LoginFailureCount, LoginFailures, LoginTrial } from '../access-store.ts'
import type { Database } from '../rules/database.ts'
import { lookForFailures } from './login-failures.ts'
import type { PostgresRunner } from './postgres-runner.ts'

/** Failed logins of all processes of a registry. Times are those of the server's clock. */
export class PostgresLoginFailures implements LoginFailures {
  readonly #database: Pick<Database, 'all'>
  readonly #changes: Pick<PostgresRunner, 'runOwn'>

  constructor(parts: {
    readonly database: Pick<Database, 'all'>
    readonly changes: Pick<PostgresRunner, 'runOwn'>
  }) {
    this.#database = parts.database
    this.#changes = parts.changes
  }

  async look({ keys, name, network }: LoginTrial): ReturnType<LoginFailures['look']> {
    const rows = await this.#database.all(lookForFailures, { ...keys, name, network })
    return {
      counts: new Map(
        rows.flatMap(({ key, count, age }): [string, LoginFailureCount][] =>
          count === null || age === null ? [] : [[key, { count, age }]],
        ),
      ),
      seenAt: rows[0]?.seen ?? undefined,
    }
  }

  add(more: readonly LoginFailure[]): Promise<void> {
    return this.#changes.runOwn('addLoginFailures', { more })
  }

  clear(key: string): Promise<void> {
    return this.#changes.runOwn('clearLoginFailures', { key })
  }
}
