import { Chalk } from 'chalk'
import type { Writable } from 'node:stream'
import type { Terminal } from './streams.ts'
import { ownSequence } from '../visible-text.ts'

type Stream = Writable & {
  readonly isTTY?: boolean
  readonly columns?: number
  /** What is written to it is changed to ASCII. */
  readonly isAscii?: boolean
}

/** What a text means, and its colour: the only table of colours. */
const palette = {
  good: 'green',
  warning: 'yellow',
  bad: 'red',
  heading: 'bold',
  faint: 'dim',
  literal: 'cyan',
} as const

export type Role = keyof typeof palette

/** Colours that reach the terminal, although control characters in the text itself are printed as escapes. */
export type Colors = Readonly<Record<Role, (text: string) => string>> & { readonly areOn: boolean }

/**
 * Returns colours if the stream is a terminal that supports them: none in pipes, with NO_COLOR (no-color.org)
 * or on a dumb terminal.
 */
export function colorsOf(stream: Stream, env: Terminal['env']): Colors {
  const areOn = isRedrawn(stream, env) && (env['NO_COLOR'] ?? '') === ''
  const chalk = new Chalk({ level: areOn ? 1 : 0 })
  const paint = (role: Role) => {
    const [open = '', close = ''] = ownSequence(chalk[palette[role]]('|')).split('|')
    return (text: string): string => `${open}${text}${close}`
  }
  return {
    good: paint('good'),
    warning: paint('warning'),
    bad: paint('bad'),
    heading: paint('heading'),
    faint: paint('faint'),
    literal: paint('literal'),
    areOn,
  }
}

/** Returns whether lines can be redrawn: the stream is a terminal that supports cursor moves. */
export function isRedrawn(stream: Stream, env: Terminal['env']): boolean {
  return stream.isTTY === true && env['TERM'] !== 'dumb'
}

/** Returns the width of the stream's terminal in columns, 80 if it is not known; `undefined` for a pipe or a file. */
export function widthOf({ isTTY, columns }: Stream): number | undefined {
  return isTTY === true ? columns || 80 : undefined
}

/**
 * Shortens a line so that it does not wrap on the stream's terminal, with `before` columns in front of it.
 * The width is 80 columns if it is not known.
 */
export function fitted(line: string, stream: Stream, before = 0): string {
  // The last column stays free: some terminals wrap when it is written.
  const room = Math.max(20, (stream.columns || 80) - before - 1)
  return line.length <= room ? line : `${line.slice(0, room - (stream.isAscii === true ? 3 : 1))}…`
}
