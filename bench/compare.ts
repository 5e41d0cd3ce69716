import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Certificate } from './certificate.ts'
import type { Peer, PeerName } from './peers.ts'
import { rows } from './rows.ts'
import { median, type Finding, type Goals, type Subject } from './row.ts'
import { seed } from './seed.ts'
import type { Server } from './server.ts'
import { specialRows } from './special-rows.ts'

export interface RunOptions {
  readonly folder: string
  readonly certificate: Certificate | undefined
  readonly seconds: number
  readonly rounds: number
  readonly quick: boolean
  readonly pattern: RegExp
  readonly peers: readonly Peer[]
  /** Least ratio of trow to the checkout of before. */
  readonly ofBefore: number
}

export interface Compared {
  readonly name: string
  readonly unit: string
  readonly goals: Goals
  /** Medians. */
  readonly values: Partial<Record<PeerName, number>>
  /** Each round, in order. */
  readonly rounds: Partial<Record<PeerName, readonly number[]>>
}

export interface SpecialResult {
  readonly row: string
  readonly peer: PeerName
  readonly findings: readonly Finding[]
}

/** All servers run at the same time, one under load; who comes first changes with every round. */
export async function compareRows(
  options: RunOptions,
  note: (text: string) => void,
): Promise<readonly Compared[]> {
  const chosen = rows.filter(({ name }) => options.pattern.test(name))
  if (chosen.length === 0) return []
  const servers: Server[] = []
  const subjects: { peer: Peer; subject: Subject }[] = []
  try {
    for (const peer of options.peers) {
      const folder = join(options.folder, peer.name)
      const server = await peer.start({ folder, certificate: options.certificate })
      servers.push(server)
      const seeded = await seed(server, options.folder)
      subjects.push({ peer, subject: { server, seeded, seconds: options.seconds } })
    }
    const results: Compared[] = []
    for (const row of chosen) {
      const measured: Partial<Record<PeerName, number[]>> = {}
      for (let round = 0; round < options.rounds; round++) {
        for (let turn = 0; turn < subjects.length; turn++) {
          const { peer, subject } = subjects[(turn + round) % subjects.length] as (typeof subjects)[0]
          // The first round finds cold code: it is run twice.
          if (round === 0) await row.measure({ ...subject, seconds: 1 })
          if (row.writes) execFileSync('sync', { timeout: 60_000 })
          ;(measured[peer.name] ??= []).push(await row.measure(subject))
        }
      }
      const values = Object.fromEntries(
        Object.entries(measured).map(([name, all]) => [name, median(all)]),
      ) as Compared['values']
      const { name, unit } = row
      const goals = { before: options.ofBefore, ...row.goals }
      results.push({ name, unit, goals, values, rounds: measured })
      note(
        `${name}: ${Object.entries(values)
          .map(([peer, value]) => `${peer} ${Math.round(value)}`)
          .join(', ')} ${unit}`,
      )
    }
    return results
  } finally {
    for (const server of servers) await server.stop()
    for (const server of servers) rmSync(server.folder, { recursive: true, force: true })
  }
}

export async function runSpecialRows(
  options: RunOptions,
  note: (text: string) => void,
): Promise<readonly SpecialResult[]> {
  const results: SpecialResult[] = []
  for (const row of specialRows.filter(({ name }) => options.pattern.test(name))) {
    for (const peer of options.peers.filter(({ name }) =>
      row.peers.includes(name === 'before' ? 'trow' : name),
    )) {
      const folder = mkdtempSync(join(options.folder, 'special-'))
      const { certificate, seconds, rounds, quick } = options
      try {
        const findings = await row.measure(peer, { folder, certificate, seconds, rounds, quick })
        results.push({ row: row.name, peer: peer.name, findings })
        for (const { name, value, unit } of findings)
          note(`${peer.name}: ${name}: ${value.toFixed(2)} ${unit}`)
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    }
  }
  return results
}
