const sizeUnits: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  K: 1024,
  KB: 1000,
  KIB: 1024,
  M: 1024 ** 2,
  MB: 1000 ** 2,
  MIB: 1024 ** 2,
  G: 1024 ** 3,
  GB: 1000 ** 3,
  GIB: 1024 ** 3,
  T: 1024 ** 4,
  TB: 1000 ** 4,
  TIB: 1024 ** 4,
}

const durationUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** Parses `32KiB`, `256 MiB` or `1024` to bytes; `undefined` if it is no size. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-zA-Z]*)$/.exec(text.trim())
  const unit = sizeUnits[(match?.[2] ?? '?').toUpperCase()]
  return match === null || unit === undefined ? undefined : Math.round(Number(match[1]) * unit)
}

/** Parses `250ms`, `30s`, `24h` or `7d` to milliseconds; `undefined` if it is no duration. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(text.trim())
  return match === null ? undefined : Math.round(Number(match[1]) * (durationUnits[match[2] as string] ?? 0))
}

/** Uses the largest unit that needs no fraction: `32KiB`. */
export function printSize(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB']) {
    const size = sizeUnits[unit.toUpperCase()] as number
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`
  }
  return `${bytes}B`
}

export function printDuration(milliseconds: number): string {
  for (const unit of ['d', 'h', 'm', 's']) {
    const length = durationUnits[unit] as number
    if (
      milliseconds >= length &&
      milliseconds % length === 0 &&
      !(unit === 'd' && milliseconds < 7 * length)
    ) {
      return `${milliseconds / length}${unit}`
    }
  }
  return `${milliseconds}ms`
}

/** Formats for people: `3.4 MB`. */
export function humanSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}
