import type { Check, CheckCategory } from '../../cluster/check.ts'
import { named } from '../../cluster/grouped-faults.ts'
import { counted } from '../../counted.ts'
import { standingPath, type ServedStanding } from '../../serve/control/served-standing.ts'
import type { DatabaseSight } from '../../serve/database/database-sight.ts'
import type { Status } from '../../status/status.ts'
import { askRunning } from '../control/control-client.ts'

/** Asks the server of a folder of this machine. Throws UserError SERVER_NOT_RUNNING. */
export async function servedStatus(folder: string): Promise<Status> {
  const hint = 'Name the data folder of a running server with --data; without it, this is about a cluster.'
  return statusOf(
    folder,
    await askRunning<ServedStanding>(folder, { method: 'GET', path: standingPath }, hint),
  )
}

export function statusOf(folder: string, standing: ServedStanding): Status {
  const { version, write, maintenance, database } = standing
  const healthCheck = (description: string, health: typeof write): Check =>
    health.ok
      ? { description, result: 'success' }
      : { description, result: 'error', error: health.reason, hint: 'The log of the server says more.' }
  return {
    installed: undefined,
    served: { folder, version },
    categories: [
      {
        categoryName: 'registry',
        checks: [
          healthCheck('the registry can store what is pushed', write),
          healthCheck('garbage can be collected', maintenance),
        ],
      },
      ...(database === undefined ? [] : databaseCategories(database)),
    ],
    nodes: [],
    unseen: [],
  }
}

function databaseCategories(sight: DatabaseSight): readonly CheckCategory[] {
  return [
    {
      categoryName: 'database',
      checks: [...awayChecks(sight), ...durabilityChecks(sight), ...policyChecks(sight)],
    },
    ...(sight.others === undefined
      ? []
      : [{ categoryName: 'processes', checks: processChecks(sight, sight.others) }]),
  ]
}

function awayChecks({ away }: DatabaseSight): readonly Check[] {
  if (away === undefined) return []
  return [
    {
      description: 'the database answers',
      result: 'error',
      error: `${away}; what is below was so before`,
      hint: 'See --database, and the log of PostgreSQL.',
    },
  ]
}

function durabilityChecks({ durability }: DatabaseSight): readonly Check[] {
  if (durability === undefined) return []
  const description = 'pushes are kept as durable as PostgreSQL is'
  if (durability.isSafe) return [{ description: `${description}: ${durability.text}`, result: 'success' }]
  return [
    {
      description,
      result: 'warning',
      error: durability.text,
      hint: 'Name standbys in synchronous_standby_names of PostgreSQL, with synchronous_commit on, where a failover must lose nothing.',
    },
  ]
}

function policyChecks({ idlePolicies }: DatabaseSight): readonly Check[] {
  if (idlePolicies === 0) return []
  return [
    {
      description: 'policies in the database are in force',
      result: 'warning',
      error: `this process judges by none of its ${counted(idlePolicies, 'policy or exception', 'policies and exceptions')}`,
      hint: 'Start it with --policy-database.',
    },
  ]
}

function processChecks({ differences }: DatabaseSight, others: readonly string[]): readonly Check[] {
  return [
    {
      description:
        others.length === 0
          ? 'no other process serves this registry'
          : `${counted(others.length, 'other process serves', 'other processes serve')} this registry: ${named(others)}`,
      result: 'success',
    },
    ...differences.map(({ setting, here, there, processes }): Check => ({
      description: `all processes have the same ${setting}`,
      result: 'warning',
      error: `here ${here}, but ${there} at ${named(processes)}`,
      hint: 'Give all processes of a registry the same settings.',
    })),
  ]
}
