const units: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['kB', 1000],
  ['MB', 1000 ** 2],
  ['GB', 1000 ** 3],
  ['TB', 1000 ** 4],
  ['KiB', 1024],
  ['MiB', 1024 ** 2],
  ['GiB', 1024 ** 3],
  ['TiB', 1024 ** 4],
])

/** `512MiB`, `2GB`: bytes. A number without its unit is none. Undefined for what is no size. */
export function parseSize(text: string): number | undefined {
  const [, number, unit = ''] = /^([1-9][0-9]{0,8})([a-zA-Z]{1,3})$/.exec(text) ?? []
  const factor = units.get(unit)
  return number === undefined || factor === undefined ? undefined : Number(number) * factor
}

/** In the largest unit of 1024 that says it without a fraction, else in bytes. */
export function printSize(bytes: number): string {
  for (const [unit, factor] of [...units].reverse())
    if (unit.endsWith('iB') && bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`
  return `${bytes}B`
}
