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

export const sizePattern = new RegExp(`^([1-9][0-9]{0,8})(${[...units.keys()].join('|')})$`)

/** Parses `512MiB` or `2GB` to bytes. Undefined for an invalid size, such as a number without a unit. */
export function parseSize(text: string): number | undefined {
  const [, number, unit = ''] = sizePattern.exec(text) ?? []
  const factor = units.get(unit)
  return number === undefined || factor === undefined ? undefined : Number(number) * factor
}

/** Prints the largest unit of 1024 that needs no fraction, otherwise bytes. */
export function printSize(bytes: number): string {
  for (const [unit, factor] of [...units].reverse())
    if (unit.endsWith('iB') && bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`
  return `${bytes}B`
}
