import { join } from 'node:path'
import { runCampaign, type CampaignResult } from './campaign.ts'
import { LoopDevice } from './loop-device.ts'

export type Flush = 'commit-flush' | 'file-flush' | 'folder-flush'

export interface PowerCutOptions {
  readonly rounds: number
  /** Flush that is left out: losses are then expected, and the first one ends the run. */
  readonly without?: Flush
  readonly seed?: number
  report?(text: string): void
}

/** Cuts the power of the data folder's file system at random instants under mixed load. Needs root. */
export async function powerCuts(options: PowerCutOptions): Promise<CampaignResult> {
  const device = await LoopDevice.create(2048)
  const { without } = options
  try {
    return await runCampaign({
      seed: options.seed ?? 3,
      // With several lanes, a flush of another file would also commit an unflushed folder in ext4's journal.
      lanes: without === 'folder-flush' ? 1 : 6,
      upTo: 1200,
      rounds: options.rounds,
      readEverything: true,
      server: () => ({
        data: join(device.mountPoint, 'data'),
        args: ['--fsck-rate', '0', '--gc-interval', '500ms', '--gc-grace', '3s', '--reserve', '64MiB'],
        ...(without
          ? {
              env: { CRASH_WITHOUT: without, CRASH_WAL: '300' },
              preload: new URL('hook.ts', import.meta.url),
            }
          : {}),
      }),
      async crash(server, _round, deafen) {
        const time = await device.cutPower(deafen)
        await server.kill()
        await device.unmount()
        await device.mount()
        return time
      },
      ...(without ? { until: (result) => result.losses.length > 0 } : {}),
      ...(options.report ? { report: options.report } : {}),
    })
  } finally {
    await device.destroy()
  }
}
