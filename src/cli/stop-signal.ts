import { exitCode } from '../user-error.ts'
import type { Terminal } from './streams.ts'

/** What is not done so long after Ctrl-C is left as it is; milliseconds. */
const patience = 800

interface StopSignal {
  readonly signal: AbortSignal
  /** Which one it was; undefined until then. */
  by(): 'SIGINT' | 'SIGTERM' | undefined
  /** Gives both back to the process. */
  stop(): void
}

/**
 * A signal that aborts at Ctrl-C (SIGINT, SIGTERM), for commands that have something to say or to put away then: without it
 * either ends a command at once. The process ends in less than a second, whatever still waits: a registry that hangs is no
 * reason to stay. `leave` is called where it ends so, to say what the command cannot say any more.
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
    // Not cleared: what is closed after this may wait as well.
    timer?.unref()
    leave = undefined
  }
  return { signal: controller.signal, by: () => by, stop }
}
