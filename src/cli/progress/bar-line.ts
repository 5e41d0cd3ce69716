import { humanSize } from '../../settings/quantities.ts'

export interface WorkState {
  /** Bytes. */
  readonly done: number
  /** Bytes; undefined: nobody knows. */
  readonly total: number | undefined
  /** Bytes a second; undefined: not known yet. */
  readonly rate: number | undefined
}

const width = 24

/** `[=====>      ]  43 %  1.2 GB of 2.8 GB  112 MB/s  14 s left`. */
export function barLine({ done, total, rate }: WorkState): string {
  const speed = rate === undefined ? [] : [`${humanSize(rate)}/s`]
  if (total === undefined || total <= 0) return ['', humanSize(done), ...speed].join('  ')
  const part = Math.min(1, done / total)
  const filled = Math.round(part * (width - 1))
  const bar = `[${'='.repeat(filled)}>${' '.repeat(width - 1 - filled)}]`
  const percent = `${String(Math.floor(part * 100)).padStart(3)} %`
  const left = rate === undefined || rate <= 0 ? [] : [`${timeText((total - done) / rate)} left`]
  const sizes = `${humanSize(Math.min(done, total))} of ${humanSize(total)}`
  return `  ${bar} ${[percent, sizes, ...speed, ...left].join('  ')}`
}

/** `14 s`, `3 min 20 s`, `2 h 5 min`. */
function timeText(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds))
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}
