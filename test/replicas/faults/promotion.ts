import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicNow } from '../../crash/crash-time.ts'
import type { PostgresServer } from '../../support/postgres-server.ts'
import type { FaultContext } from './kinds.ts'
import { remember, rewind, type Promotion } from './rewind.ts'
import type { Scene } from './scene.ts'

/** What a promotion has taken away, and whether the registry has said so. */
export interface Promoted {
  /** Acknowledged changes that the standby lacked. */
  readonly lost: number
  /** Milliseconds from the end of the primary until a client had an answer again. */
  readonly gap: number
  /** A sentence for each broken promise. */
  readonly problems: readonly string[]
}

const lostWords = /the database has lost commits/
/** Where a mark reached the bucket that the standby lacks, two databases seem to have it: that is said first. */
const suspendedWords = /nothing is collected now.*(commits-lost|two-databases)/
/** Milliseconds: the grace period of the scene, and the pauses of a machine that is busy. */
const patience = 150_000

/**
 * The standby stops hearing of the primary, clients go on until the primary holds a mark that the standby lacks,
 * the primary ends, and the standby takes its place.
 */
export async function promote({ scene, load }: FaultContext): Promise<Promoted> {
  const { standby, primary: old } = scene
  if (standby === undefined) throw new Error('there is no standby')
  const known = load.repositories.map(remember)
  await hasAll(standby, await lsnOf(old, 'pg_current_wal_flush_lsn()'))
  const mark = await markOf(scene)
  scene.toSource.lead(undefined)
  for (let tries = 0; (await markOf(scene)) === mark; tries++) {
    if (tries > 600) throw new Error('no process marks its commits')
    await sleep(100)
  }
  await sleep(3000)
  const said = [scene.count(lostWords), scene.count(suspendedWords)] as const

  const { idle } = load.hold()
  const endedAt = monotonicNow()
  await old.end('immediate')
  scene.toPrimary.lead(undefined)
  await standby.promote()
  scene.primary = standby
  scene.standby = undefined
  scene.toPrimary.lead(standby.port)
  const promotion: Promotion = { endedAt, promotedAt: monotonicNow() }
  const client = scene.doors.client()
  await client.request('GET', '/v2/crash/lane-0/a/tags/list')
  const gap = monotonicNow() - endedAt
  await idle
  const rewound = await Promise.all(known.map((each) => rewind(client, each, promotion)))
  load.release()

  const problems = rewound.filter((result) => typeof result === 'string')
  if (!(await until(() => scene.count(lostWords) > said[0])))
    problems.push('commits were lost, and no process says so')
  if (!(await until(() => scene.count(suspendedWords) > said[1])))
    problems.push('commits were lost, and no process says that it deletes nothing')
  await old.stop()
  await scene.addStandby()
  return { lost: rewound.reduce<number>((sum, each) => sum + (Number(each) || 0), 0), gap, problems }
}

async function lsnOf(server: PostgresServer, expression: string): Promise<string> {
  const [row] = await server.query('postgres', `select ${expression}::text as lsn`)
  return String(row?.['lsn'])
}

async function hasAll(standby: PostgresServer, lsn: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    const [row] = await standby.query(
      'postgres',
      `select coalesce(pg_last_wal_receive_lsn() >= '${lsn}', false) as has`,
    )
    if (row?.['has'] === true) return
    if (tries > 600) throw new Error('the standby does not follow')
    await sleep(100)
  }
}

/** The number of the newest mark, and of those before it. */
async function markOf(scene: Scene): Promise<string> {
  const [row] = await scene.query(
    `select jsonb_path_query_array(value::jsonb, '$.marks[*].number')::text as numbers from setting where name = 'commit-marks'`,
  )
  return JSON.stringify(row?.['numbers'])
}

async function until(holds: () => boolean): Promise<boolean> {
  for (let tries = 0; tries < patience / 100; tries++) {
    if (holds()) return true
    await sleep(100)
  }
  return false
}
