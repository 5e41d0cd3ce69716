import type { Readable, Writable } from 'node:stream'
import { printedText } from '../visible-text.ts'
import { asciiText, isUtf8 } from './locale.ts'

type Output = Writable & { readonly isTTY?: boolean; readonly isAscii?: boolean }

/** What the process passes to a command line. */
export interface ProcessTerminal {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Output
  readonly stderr: Output
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Calls the listener at SIGINT and SIGTERM; returns the function that removes it. */
  onStop(listener: (signal: 'SIGINT' | 'SIGTERM') => void): () => void
  /** Ends the process at once. `undefined` if a command line is not its own process. */
  exit?(code: number): void
  /**
   * Calls the listener at SIGHUP, which then does not end the process. `undefined` if there is no such
   * signal.
   */
  onHangup?(listener: () => void): void
}

/**
 * Everything that a command uses of its process. `stdout` and `stderr` are for people: control characters in
 * text of others (annotations, errors of a registry, reports of nodes) are printed as escapes, so that they
 * cannot control the terminal. Where the locale is not UTF-8, they are ASCII.
 */
export interface Terminal extends ProcessTerminal {
  /**
   * The same streams byte for byte: for JSON, YAML, PEM, archives, and for what draws on the terminal itself.
   */
  readonly exact: { readonly stdout: Output; readonly stderr: Output }
}

/** Wraps the streams for people; see `printerFor`. */
export function terminalOf(given: ProcessTerminal): Terminal {
  const { stdout, stderr, env } = given
  return {
    ...given,
    stdout: forPeople(stdout, env),
    stderr: forPeople(stderr, env),
    exact: { stdout, stderr },
  }
}

/** Returns the function that makes text for people; see `printedText`. */
export function printerFor(env: Terminal['env']): (text: string) => string {
  return isUtf8(env) ? printedText : (text) => asciiText(printedText(text))
}

/** Resolves when the stream accepts more. */
export async function write(stream: Writable, text: string): Promise<void> {
  if (stream.write(text) || stream.destroyed) return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stream.off('drain', done).off('close', done).off('error', done)
      resolve()
    }
    stream.on('drain', done).on('close', done).on('error', done)
  })
}

function forPeople(stream: Output, env: Terminal['env']): Output {
  const printed = printerFor(env)
  return new Proxy(stream, {
    get(target, name) {
      if (name === 'write') return (text: string) => target.write(printed(text))
      if (name === 'isAscii') return !isUtf8(env)
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
