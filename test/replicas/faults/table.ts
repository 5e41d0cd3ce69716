import type { FaultRun } from './campaign.ts'

/** What a fault run has done and found, for people. */
export function tableOf(run: FaultRun, seed: number): string {
  const { clients, promotions, memory, losses, errors } = run
  const lacked = promotions.reduce((sum, { lost }) => sum + lost, 0)
  const gaps = promotions.map(({ gap }) => (gap / 1000).toFixed(1)).join(', ')
  const refusals = [...clients.refusals].map(([status, count]) => `${count} x ${status}`).join(', ')
  const rows: (readonly [string, string])[] = [
    ['seed', String(seed)],
    ['seconds', String(run.seconds)],
    ['requests', String(clients.requests)],
    ['changes acknowledged', String(run.acknowledged)],
    ['pulls verified', String(run.reads)],
    ['blobs collected meanwhile', String(run.refused)],
    ['answers to come again', refusals === '' ? '0' : refusals],
    ['connections cut', String(clients.cut)],
    ['stale answers', String(clients.stale)],
    ['longest wait of a client', `${(clients.longest / 1000).toFixed(1)} s`],
    ...[...run.faults].map(([kind, count]) => [kind, String(count)] as const),
    ['kills', String(run.kills)],
    ['changes that standbys lacked', promotions.length === 0 ? '0' : `${lacked} (gap ${gaps} s)`],
    ...memory.map(
      ({ name, middle, last, most }) =>
        [
          `memory of ${name}`,
          `${middle.toFixed(0)} MiB, then ${last.toFixed(0)}, at most ${most.toFixed(0)}`,
        ] as const,
    ),
    ['losses', String(losses.length)],
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  const lines = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`)
  const said = [...errors].map(([words, count]) => `  ${count} x ${words}`)
  return [
    ...lines,
    ...losses.slice(0, 30).map((loss) => `LOST ${loss}`),
    ...(said.length > 0 ? ['errors that were logged:', ...said.slice(0, 30)] : []),
  ].join('\n')
}
