/** Begin and end of a crash in milliseconds of CLOCK_MONOTONIC, which all processes of the machine share. */
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

/** Describes the time between an acknowledgement and the crash. An acknowledgement before the crash must not be lost. */
export function distanceText(acknowledgedAt: number | undefined, crash: CrashTime | undefined): string {
  if (acknowledgedAt === undefined || crash === undefined) return ''
  const before = crash.began - acknowledgedAt
  const place = before >= 0 ? `${before.toFixed(2)} ms before` : `${(-before).toFixed(2)} ms after`
  return ` (acknowledged ${place} the crash began, which took ${(crash.ended - crash.began).toFixed(2)} ms)`
}
