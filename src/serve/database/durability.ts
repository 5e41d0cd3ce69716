import { counted } from '../../counted.ts'
import type { DatabaseStanding } from '../../metadata/serving-processes.ts'
import type { Durability } from './database-sight.ts'

/** A commit is as durable as its PostgreSQL: this says how durable that is. */
export function durabilityOf(standing: DatabaseStanding): Durability {
  const { synchronousStandbyNames: names, synchronousCommit: commit, standbys, synchronous } = standing
  if (commit === 'off')
    return unsafe('synchronous_commit is off: a crash of PostgreSQL may lose the last commits')
  if (names === '')
    return standbys === 0
      ? safe('one PostgreSQL server without a standby (synchronous_standby_names is empty)')
      : unsafe(
          `${counted(standbys, 'standby', 'standbys')}, none synchronous (synchronous_standby_names is empty): a failover may lose the last commits`,
        )
  if (commit === 'local')
    return unsafe(
      'synchronous_commit is local: commits wait for no standby, and a failover may lose the last ones',
    )
  const seen =
    synchronous === undefined ? '' : `, ${synchronous} of ${counted(standbys, 'standby', 'standbys')} now`
  return safe(`commits wait for synchronous standbys (${names})${seen}`)
}

function safe(text: string): Durability {
  return { isSafe: true, text }
}

function unsafe(text: string): Durability {
  return { isSafe: false, text }
}
