import { Chalk } from 'chalk'
import type { Writable } from 'node:stream'
import type { Terminal } from './streams.ts'
import { ownSequence } from '../visible-text.ts'

type Stream = Writable & { readonly isTTY?: boolean; readonly columns?: number }

const styles = ['red', 'green', 'yellow', 'bold', 'dim'] as const

type Paint = (text: string) => string

/** Colours that reach the terminal although the text inside them may control nothing. */
export type Colors = Readonly<Record<(typeof styles)[number], Paint>> & { readonly areOn: boolean }

/** Colours where a person looks and wants them: none in pipes, with NO_COLOR (no-color.org) or on a dumb terminal. */
export function colorsOf(stream: Stream, env: Terminal['env']): Colors {
  const areOn = isRedrawn(stream, env) && (env['NO_COLOR'] ?? '') === ''
  const chalk = new Chalk({ level: areOn ? 1 : 0 })
  const paint = (style: (typeof styles)[number]): Paint => {
    const [open = '', close = ''] = ownSequence(chalk[style]('|')).split('|')
    return (text) => `${open}${text}${close}`
  }
  const [red, green, yellow, bold, dim] = [
    paint('red'),
    paint('green'),
    paint('yellow'),
    paint('bold'),
    paint('dim'),
  ]
  return { red, green, yellow, bold, dim, areOn }
}

/** Whether lines may be written over: a terminal that understands cursor moves. */
export function isRedrawn(stream: Stream, env: Terminal['env']): boolean {
  return stream.isTTY === true && env['TERM'] !== 'dumb'
}

/** A line that does not wrap on the stream's terminal, less what stands before it; 80 columns where nothing is known. */
export function fitted(line: string, { columns = 80 }: Stream, before = 0): string {
  // The last column stays free: some terminals wrap when it is written.
  const room = Math.max(20, (columns === 0 ? 80 : columns) - before - 1)
  return line.length <= room ? line : `${line.slice(0, room - 1)}…`
}
