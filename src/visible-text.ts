import { randomBytes } from 'node:crypto'

/**
 * C0, DEL and C1 characters can move the cursor, colour or hide text, or set the clipboard. The others change
 * the reading order (Unicode Standard Annex 9, explicit directional characters). The line feed is handled by
 * `visibleLine`.
 */
// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/**
 * Stands for ESC in trow's own output. It is random in each process, so that no other text can contain it.
 */
const ownEscape = `\ufdd0${randomBytes(8).toString('hex')}\ufdd1`

/**
 * Makes text of others safe for a terminal: control characters appear as JSON escapes (`\t`, `\u001b`). Line
 * feeds stay.
 */
export function visibleText(text: string): string {
  return text.replaceAll(controls, escaped)
}

/** As `visibleText`, for text that must stay on one line. */
export function visibleLine(text: string): string {
  return visibleText(text).replaceAll('\n', '\\n')
}

/**
 * Marks a control sequence of trow itself, which `printedText` lets through. `ESC` is written as `\u001b`.
 */
export function ownSequence(sequence: string): string {
  return sequence.replaceAll('\u001b', ownEscape)
}

/**
 * Returns the text for a terminal: control characters of others are escaped, trow's own sequences take
 * effect.
 */
export function printedText(text: string): string {
  return visibleText(text).replaceAll(ownEscape, '\u001b')
}

function escaped(control: string): string {
  return short[control] ?? `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`
}
