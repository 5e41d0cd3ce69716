import { execFileSync } from 'node:child_process'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { mkdirSync } from 'node:fs'
import type { Peer } from './peers.ts'
import { describeMachine, rounded } from './report.ts'
import { median, type Finding } from './row.ts'
import { sharedFacts } from './shared-facts.ts'
import { SharedPlace } from './shared-place.ts'
import { sharedRows, type SharedRow } from './shared-rows.ts'

export interface SharedOptions {
  readonly folder: string
  readonly trow: Peer
  readonly distribution: Peer
  readonly seconds: number
  readonly rounds: number
  readonly quick: boolean
  readonly pattern: RegExp
}

export interface SharedResult {
  readonly name: string
  readonly unit: string
  /** The row's own first. Each round, in order. */
  readonly ways: readonly {
    readonly label: string
    readonly goal?: number | undefined
    readonly rounds: readonly number[]
  }[]
  /** Processes that wanted a processor in the last minute, when the row began. */
  readonly load: number
}

export interface SharedReport {
  readonly rows: readonly SharedResult[]
  readonly facts: readonly Finding[]
  readonly versions: readonly string[]
}

const factsName = 'memory and connections with 200 streams of 100 MB'

/** Measures registries in PostgreSQL and S3. All servers of a row run at the same time, one under load. */
export async function measureShared(
  options: SharedOptions,
  note: (text: string) => void,
): Promise<SharedReport> {
  const { trow, distribution, quick, pattern } = options
  const folder = join(options.folder, 'shared')
  mkdirSync(folder)
  const place = await SharedPlace.open({ folder, trow, distribution, manifests: quick ? 10_000 : 100_000 })
  try {
    const [version] = await place.postgres.query('postgres', 'show server_version')
    const versions = [
      `trow ${trow.version()}`,
      `Distribution ${distribution.version()}`,
      `PostgreSQL ${String(version?.['server_version'])}`,
    ]
    const results: SharedResult[] = []
    for (const row of sharedRows.filter(({ name }) => pattern.test(name))) {
      // What fails has no figure; the rows after it have.
      const result = await measureRow(row, place, options).catch((error: unknown) => {
        note(`${row.name}: ${String(error)}`)
      })
      if (result === undefined) continue
      results.push(result)
      note(linesOf(result).join('\n'))
    }
    const facts = pattern.test(factsName) ? await sharedFacts(place, quick) : []
    return { rows: results, facts, versions }
  } finally {
    await place.close()
  }
}

async function measureRow(
  { name, unit, writes, own, others }: SharedRow,
  place: SharedPlace,
  { rounds, seconds }: SharedOptions,
): Promise<SharedResult> {
  const ways = [{ ...own, goal: undefined }, ...others].map((way) => ({ ...way, rounds: [] as number[] }))
  // Cold code and empty caches are nobody's figure.
  for (const way of ways) await way.measure(place, 1)
  const [load = 0] = loadavg()
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < ways.length; turn++) {
      const way = ways[(turn + round) % ways.length] as (typeof ways)[0]
      if (writes) execFileSync('sync', { timeout: 60_000 })
      way.rounds.push(await way.measure(place, seconds))
    }
  }
  return { name, unit, ways, load }
}

export function printShared(
  { rows, facts, versions }: SharedReport,
  { rounds, seconds }: Pick<SharedOptions, 'rounds' | 'seconds'>,
): string {
  const lines = [
    `${new Date().toISOString()}; plain HTTP; medians of ${rounds} rounds of ${seconds} s`,
    `${versions.join('; ')}; versitygw; all on this machine`,
    describeMachine(),
    '',
    '| row | unit | of | measured | beside | measured | ratio | load |',
    '|---|---|---|---:|---|---:|---:|---:|',
    ...rows.flatMap(linesOf),
  ]
  if (facts.length > 0) {
    lines.push('', '| one process | unit | measured | goal |', '|---|---|---:|---|')
    for (const { name, unit, value, goal } of facts) {
      const met = goal === undefined ? '' : `${goal.text} ${goal.met ? '✓' : '✗'}`
      lines.push(`| ${name} | ${unit} | ${rounded(value)} | ${met} |`)
    }
  }
  return lines.join('\n')
}

function linesOf({ name, unit, ways, load }: SharedResult): string[] {
  const [own, ...others] = ways
  if (own === undefined) return []
  const value = median(own.rounds)
  return others.map(({ label, goal, rounds }, index) => {
    const other = median(rounds)
    const ratio = value / other
    const met = goal === undefined ? '' : ` (≥ ${goal}) ${ratio >= goal ? '✓' : '✗'}`
    const first = index === 0 ? [name, unit, own.label, rounded(value)] : ['', '', '', '']
    return `| ${[...first, label, rounded(other), ratio.toFixed(2) + met, load.toFixed(1)].join(' | ')} |`
  })
}
