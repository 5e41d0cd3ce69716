import { randomBytes } from 'node:crypto'

/**
 * C0, DEL and C1 move the cursor, colour and hide text or set the clipboard; the others turn the order of what is read
 * (Unicode Standard Annex 9, explicit directional characters). The line feed is left to `visibleLine`.
 */
// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Stands for ESC in what trow itself has written. Nobody else can know it: it is made anew in each process. */
const ownEscape = `\ufdd0${randomBytes(8).toString('hex')}\ufdd1`

/** Text of others for a terminal: control characters are shown as JSON escapes them (`\t`, `\u001b`). Line feeds stay. */
export function visibleText(text: string): string {
  return text.replaceAll(controls, escaped)
}

/** Like `visibleText`, for what must not begin a line of its own. */
export function visibleLine(text: string): string {
  return visibleText(text).replaceAll('\n', '\\n')
}

/** A control sequence of our own, which `printedText` lets through: `ESC` as the two characters `\u001b` and what follows. */
export function ownSequence(sequence: string): string {
  return sequence.replaceAll('\u001b', ownEscape)
}

/** What reaches a terminal: the controls of others made visible, our own as they were meant. */
export function printedText(text: string): string {
  return visibleText(text).replaceAll(ownEscape, '\u001b')
}

function escaped(control: string): string {
  return short[control] ?? `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`
}
