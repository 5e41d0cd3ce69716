/** When a crash began and ended: milliseconds of the clock that all processes of the machine share (CLOCK_MONOTONIC). */
export interface CrashTime {
  readonly began: number
  readonly ended: number
}

export function monotonicNow(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

export async function timed(crash: () => Promise<void>): Promise<CrashTime> {
  const began = monotonicNow()
  await crash()
  return { began, ended: monotonicNow() }
}

/** How far an acknowledgement was from the crash that took it: an early one is a broken promise of ours. */
export function distanceText(acknowledgedAt: number | undefined, crash: CrashTime | undefined): string {
  if (acknowledgedAt === undefined || crash === undefined) return ''
  const before = crash.began - acknowledgedAt
  const place = before >= 0 ? `${before.toFixed(2)} ms before` : `${(-before).toFixed(2)} ms after`
  return ` (acknowledged ${place} the crash began, which took ${(crash.ended - crash.began).toFixed(2)} ms)`
}
