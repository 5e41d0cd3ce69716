import { exitCode } from '../user-error.ts'
import type { Terminal } from './streams.ts'

/** Milliseconds after Ctrl-C at which the process ends, whatever is still running. */
const patience = 800

interface StopSignal {
  readonly signal: AbortSignal
  /** The signal that came; `undefined` until then. */
  by(): 'SIGINT' | 'SIGTERM' | undefined
  /** Removes the handlers of both signals. */
  stop(): void
}

/**
 * Returns an AbortSignal that aborts at SIGINT (Ctrl-C) and SIGTERM, for commands that have something to
 * print or clean up; without it either signal ends a command at once. The process still ends in less than a
 * second, even if a registry does not answer. `leave` is called before such an end, to print what the command
 * cannot print any more.
 */
export function stopSignal(terminal: Terminal, leave?: () => void): StopSignal {
  const controller = new AbortController()
  let by: 'SIGINT' | 'SIGTERM' | undefined
  let timer: NodeJS.Timeout | undefined
  const forget = terminal.onStop((signal) => {
    by ??= signal
    controller.abort()
    timer ??= setTimeout(() => {
      leave?.()
      terminal.exit?.(exitCode.interrupted)
    }, patience)
  })
  const stop = (): void => {
    forget()
    // The timer stays: what is closed after this may also hang.
    timer?.unref()
    leave = undefined
  }
  return { signal: controller.signal, by: () => by, stop }
}
