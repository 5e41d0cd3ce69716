import type { Readable, Writable } from 'node:stream'
import { printedText } from '../visible-text.ts'

type Output = Writable & { readonly isTTY?: boolean }

/** What the process gives a command line. */
export interface ProcessTerminal {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Output
  readonly stderr: Output
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Calls back at SIGINT and SIGTERM; returns what takes it back. */
  onStop(listener: (signal: 'SIGINT' | 'SIGTERM') => void): () => void
  /** Ends the process at once. Undefined where a command line is not a process of its own. */
  exit?(code: number): void
  /** Calls back at SIGHUP, which then ends nothing. Undefined where there is none. */
  onHangup?(listener: () => void): void
}

/**
 * All that a command touches of the process it runs in. `stdout` and `stderr` are for people: text of others (annotations,
 * errors of a registry, reports of nodes) cannot control the terminal there.
 */
export interface Terminal extends ProcessTerminal {
  /** The same streams, byte for byte: JSON, YAML, PEM, archives, and what draws on the terminal itself. */
  readonly exact: { readonly stdout: Output; readonly stderr: Output }
}

/** The one writer for people: see `printedText`. */
export function terminalOf(given: ProcessTerminal): Terminal {
  const { stdout, stderr } = given
  return { ...given, stdout: forPeople(stdout), stderr: forPeople(stderr), exact: { stdout, stderr } }
}

/** Resolves when the stream takes more. */
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

function forPeople(stream: Output): Output {
  return new Proxy(stream, {
    get(target, name) {
      if (name === 'write') return (text: string) => target.write(printedText(text))
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
