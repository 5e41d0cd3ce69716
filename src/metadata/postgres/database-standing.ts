import type { DatabaseStanding } from '../serving-processes.ts'
import type { Connection } from './connection.ts'

interface StandingRow {
  readonly names: string
  readonly commit: string
  readonly standbys: number
  readonly synchronous: number
  readonly hidden: number
  readonly documents: number
}

/** A user without the role pg_monitor sees that there are standbys, and nothing of them. */
export async function standingOf(connection: Connection): Promise<DatabaseStanding> {
  const { rows } = await connection.run<StandingRow>(
    `select current_setting('synchronous_standby_names') as names, current_setting('synchronous_commit') as commit,
       count(*) filter (where state is distinct from 'backup') as standbys,
       count(*) filter (where sync_state in ('sync', 'quorum')) as synchronous,
       count(*) filter (where sync_state is null) as hidden,
       (select count(*) from policy_document) as documents
     from pg_stat_replication`,
    [],
    'postgres.standing',
  )
  const [row] = rows
  if (row === undefined) throw new Error('PostgreSQL told nothing of its standbys')
  return {
    synchronousStandbyNames: row.names,
    synchronousCommit: row.commit,
    standbys: row.standbys,
    synchronous: row.hidden > 0 ? undefined : row.synchronous,
    policies: row.documents,
  }
}
