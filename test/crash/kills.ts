import { runCampaign, type CampaignResult } from './campaign.ts'
import { timed } from './crash-time.ts'

/** Points in the code at which `hook.ts` kills the process. A signal from outside cannot hit them. */
export const namedPoints = [
  'after-flush',
  'before-rename',
  'after-rename',
  'before-commit',
  'after-commit',
  'before-unlink',
  'after-unlink',
] as const

/** Settings with which garbage is collected during the load: unreferenced content is deleted within seconds. */
const busyCollector = ['--fsck-rate', '0', '--gc-interval', '1s', '--gc-grace', '2s', '--upload-expiry', '5s']

/** SIGKILLs of the whole server at random instants under mixed load. */
export async function randomKills(
  data: string,
  rounds: number,
  report?: (text: string) => void,
  seed = 1,
): Promise<CampaignResult> {
  return runCampaign({
    seed,
    lanes: 6,
    upTo: 900,
    rounds,
    readEverything: false,
    server: () => ({ data, args: busyCollector }),
    crash: (server) => timed(() => server.kill()),
    ...(report ? { report } : {}),
  })
}

/** Has the server kill itself at each named point, `each` times, at a different visit each time. */
export async function killsAtNamedPoints(
  data: string,
  each: number,
  report?: (text: string) => void,
  seed = 2,
): Promise<CampaignResult> {
  const hits = namedPoints.flatMap((point) => Array.from({ length: each }, (_, i) => `${point}:${1 + i * 3}`))
  const missed: string[] = []
  const result = await runCampaign({
    seed,
    lanes: 6,
    upTo: 0,
    rounds: hits.length,
    readEverything: false,
    server: (round) => ({
      data,
      args: busyCollector,
      env: { CRASH_AT: hits[round] as string },
      preload: new URL('hook.ts', import.meta.url),
    }),
    async crash(server, round) {
      let waiting: NodeJS.Timeout | undefined
      const late = new Promise<'late'>((resolve) => (waiting = setTimeout(() => resolve('late'), 30_000)))
      if ((await Promise.race([server.exited, late])) === 'late') missed.push(hits[round] as string)
      clearTimeout(waiting)
      return timed(() => server.kill())
    },
    ...(report ? { report } : {}),
  })
  if (missed.length > 0) result.losses.push(`never reached: the points have moved: ${missed.join(' ')}`)
  return result
}
