import type { EventEmitter } from 'node:events'
import type { Command } from 'commander'
import { noBreak } from './option-text.ts'

/** A part of what stands below the options of a help. */
export type HelpNote =
  | { readonly kind: 'heading'; readonly text: string }
  | { readonly kind: 'paragraph'; readonly text: string }
  /** Lines that a user can type; one that ends with a backslash goes on in the next. */
  | { readonly kind: 'commands'; readonly lines: readonly string[] }

/**
 * Returns what `addHelpText('after', text)` has added to a command. In that text empty lines separate parts;
 * `Examples:` is a heading, lines that begin with two spaces are commands, and the others are paragraphs.
 */
export function notesOf(command: Command): readonly HelpNote[] {
  let text = ''
  emitterOf(command).emit('afterHelp', {
    error: false,
    command,
    write: (part: string) => void (text += part),
  })
  return text.split(/\n{2,}/).flatMap((part) => parsePart(part.replace(/^\n|\n$/g, '')))
}

/** Removes what `addHelpText('after', text)` has added. */
export function dropNotes(command: Command): void {
  emitterOf(command).removeAllListeners('afterHelp')
}

/** Prints the notes in lines of at most `width` columns; a command that is longer goes on in the next line. */
export function printNotes(
  notes: readonly HelpNote[],
  width: number,
  styleHeading: (heading: string) => string = (heading) => heading,
): string {
  return notes
    .map((note, index) => {
      const isBelowHeading = notes[index - 1]?.kind === 'heading'
      const space = isBelowHeading ? '' : '\n'
      if (note.kind === 'heading') return `${space}${styleHeading(note.text)}\n`
      if (note.kind === 'paragraph') return `${space}${wrapped(note.text, width).join('\n')}\n`
      return `${space}${note.lines.flatMap((line) => wrappedCommand(line, width)).join('\n')}\n`
    })
    .join('')
}

/** Breaks text at spaces, other than `noBreak`, into lines of at most `width` columns; a longer word gets a line of its own. */
export function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = []
  for (const word of text.split(' ').filter((each) => each !== '')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines.map((line) => line.replaceAll(noBreak, ' '))
}

/** A command emits `afterHelp` to print its notes; the types of commander do not say so. */
function emitterOf(command: Command): EventEmitter {
  return command as unknown as EventEmitter
}

function parsePart(part: string): readonly HelpNote[] {
  if (part.trim() === '') return []
  const lines = part.split('\n')
  const first = lines.findIndex((line) => line.startsWith('  '))
  if (first < 0) return [{ kind: 'paragraph', text: lines.map((line) => line.trim()).join(' ') }]
  const above = lines.slice(0, first).join(' ')
  const last = lines.findLastIndex((line) => line.startsWith('  '))
  const below = lines.slice(last + 1).join(' ')
  return [
    ...(above === '' ? [] : [{ kind: above.endsWith(':') ? 'heading' : 'paragraph', text: above } as const]),
    { kind: 'commands', lines: lines.slice(first, last + 1).map((line) => line.slice(2)) },
    ...(below === '' ? [] : [{ kind: 'paragraph', text: below } as const]),
  ]
}

/** Breaks a command before an option or at a space, outside quotes, so that a shell can read it. */
function wrappedCommand(line: string, width: number): readonly string[] {
  const room = width - 2
  if (line.length <= room) return [`  ${line}`]
  const words = line.match(/(?:"[^"]*"|'[^']*'|\S)+/g) ?? []
  const indent = ' '.repeat(line.length - line.trimStart().length)
  const lines: string[] = []
  for (const [index, word] of words.entries()) {
    const last = lines.at(-1)
    // Two columns stay for the space and the backslash of a line that is not the last.
    const left = index === words.length - 1 ? room : room - 2
    if (last !== undefined && last.length + 1 + word.length <= left)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(`${indent}${lines.length === 0 ? '' : '  '}${word}`)
  }
  return lines.map((each, index) => `  ${each}${index === lines.length - 1 ? '' : ' \\'}`)
}
