import { durable } from '../rules/change.ts'
import { marksSetting, noteLost } from '../rules/change-marks.ts'
import { alone } from '../rules/locks.ts'
import type { Connection } from './connection.ts'
import { ownStatement } from './own-statement.ts'

const foundAttempts = ownStatement<{ readonly found: number }>(
  'attempts',
  'select count(*)::int as found from change_log where attempt = any($1::uuid[])',
  ['attempts'],
)

/** How many of these attempts the change log lacks. */
export async function missingAttempts(connection: Connection, attempts: readonly string[]): Promise<number> {
  const { rows } = await connection.ask(foundAttempts, { attempts: `{${attempts.join(',')}}` })
  return attempts.length - (rows[0]?.found ?? 0)
}

/** Says that commits which were answered are not there any more; see `CommitMarks`. */
export const noteLostCommits = durable({ locks: () => [alone(marksSetting)] }, noteLost)
