type Environment = Readonly<Record<string, string | undefined>>

/** How trow's own signs are written where the locale has no UTF-8. */
const ascii: Readonly<Record<string, string>> = {
  '√': '+',
  '‼': '!',
  '×': 'x',
  '…': '...',
  '–': '-',
  '·': '.',
  '→': '->',
  '↳': '>',
  '’': "'",
  '“': '"',
  '”': '"',
  '█': '#',
  '▓': '#',
  '░': '-',
  '│': '|',
  '├': '|',
  '└': '`',
  '─': '-',
}

/**
 * Returns whether the locale's character set is UTF-8: the first of LC_ALL, LC_CTYPE and LANG that is not empty
 * decides (POSIX, "Environment Variables", 8.2); without one the locale is "POSIX", which is ASCII. A console of
 * Windows always takes UTF-8 from Node.
 */
export function isUtf8(env: Environment, platform: NodeJS.Platform = process.platform): boolean {
  if (platform === 'win32') return true
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || ''
  return /utf-?8/i.test(locale)
}

/** Returns the text in ASCII: trow's own signs as similar ones, any other character as an escape (`\u00e9`). */
export function asciiText(text: string): string {
  return text.replaceAll(
    /\P{ASCII}/gu,
    (sign) => ascii[sign] ?? `\\u${(sign.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  )
}
