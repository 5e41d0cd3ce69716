const longest = 160

/**
 * A text of somebody else between quotation marks, for messages: at most 160 characters of it, and none that a terminal, a
 * log or a reader could take for something else.
 */
export function shown(text: string): string {
  return `"${plain(text)}"`
}

/** The same without the marks. */
export function plain(text: string): string {
  const part = text.length > longest ? `${text.slice(0, longest)}…` : text
  return part.replaceAll(/[^\u0020-\u007e\u2026]|["\\]/gu, escaped)
}

function escaped(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
}
