const longest = 160

/**
 * Quotes text from outside for a message: at most 160 characters, with every character escaped that a
 * terminal, a log or a reader could misinterpret.
 */
export function shown(text: string): string {
  return `"${plain(text)}"`
}

/** Like `shown`, without the quotation marks. */
export function plain(text: string): string {
  const part = text.length > longest ? `${text.slice(0, longest)}…` : text
  return part.replaceAll(/[^\u0020-\u007e\u2026]|["\\]/gu, escaped)
}

function escaped(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
}
