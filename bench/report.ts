import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import type { Compared, SpecialResult } from './compare.ts'
import type { PeerName } from './peers.ts'

export interface Report {
  readonly when: string
  readonly tls: boolean
  readonly rounds: number
  readonly seconds: number
  readonly workers: number
  readonly peers: Readonly<Record<string, string>>
  readonly compared: readonly Compared[]
  readonly special: readonly SpecialResult[]
}

const titles: Readonly<Record<PeerName, string>> = {
  trow: 'trow',
  before: 'trow before',
  'bare-node': 'bare Node',
  distribution: 'Distribution',
}

export function printMarkdown(report: Report): string {
  const { when, tls, rounds, seconds, workers, peers, compared, special } = report
  const versions = Object.entries(peers).map(([name, version]) => `${titles[name as PeerName]} ${version}`)
  const lines = [
    `${when}; ${tls ? 'TLS' : 'plain HTTP'}; medians of ${rounds} rounds of ${seconds} s; ${workers} workers`,
    `${versions.join('; ')}`,
    `${describeMachine()}`,
    '',
  ]
  if (compared.length > 0) {
    const others = (['before', 'bare-node', 'distribution'] as const).filter((name) => name in peers)
    const heads = others.flatMap((name) => [titles[name], `of ${titles[name]}`])
    lines.push(`| ${['row', 'unit', 'trow', ...heads].join(' | ')} |`)
    lines.push(`|---|---|${'---:|'.repeat(1 + heads.length)}`)
    lines.push(...compared.map((row) => comparedLine(row, others)), '')
  }
  if (special.length > 0) {
    lines.push('| row | server | unit | measured | goal |', '|---|---|---|---:|---|')
    for (const { peer, findings } of special) {
      for (const { name, unit, value, goal } of findings) {
        const met = goal === undefined ? '' : `${goal.text} ${goal.met ? '✓' : '✗'}`
        lines.push(`| ${name} | ${titles[peer]} | ${unit} | ${rounded(value)} | ${met} |`)
      }
    }
  }
  return lines.join('\n')
}

type Other = Exclude<PeerName, 'trow'>

function comparedLine({ name, unit, values, goals }: Compared, others: readonly Other[]): string {
  const ratio = (peer: Other): string => {
    const [own, other, goal] = [values.trow, values[peer], goals[peer]]
    if (own === undefined || other === undefined) return ''
    const value = own / other
    if (goal === undefined) return value.toFixed(2)
    return `${value.toFixed(2)} (≥ ${goal}) ${value >= goal ? '✓' : '✗'}`
  }
  const cells = others.flatMap((peer) => [rounded(values[peer]), ratio(peer)])
  return `| ${[name, unit, rounded(values.trow), ...cells].join(' | ')} |`
}

export function rounded(value: number | undefined): string {
  if (value === undefined) return ''
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return value.toFixed(value >= 10 ? 1 : 2)
}

export function describeMachine(): string {
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  const model = cpus()[0]?.model ?? 'unknown processor'
  let system = release()
  try {
    system = `${/^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1]}, Linux ${system}`
  } catch {
    // Not a Linux with that file: the release has to do.
  }
  return `${availableParallelism()} × ${model}, ${memory}; ${system}; the load runs on the same cores`
}
