import { exitCode } from '../user-error.ts'
import type { Terminal } from './streams.ts'

/** What is not done so long after Ctrl-C is left as it is; milliseconds. */
const patience = 800

/**
 * A signal that aborts at Ctrl-C (SIGINT, SIGTERM). `stop` gives both back to the process. The process ends in less than a
 * second, whatever still waits: a registry that hangs is no reason to stay.
 */
export function stopSignal(terminal: Terminal): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const forget = terminal.onStop(() => {
    controller.abort()
    timer ??= setTimeout(() => terminal.exit?.(exitCode.interrupted), patience)
  })
  const stop = (): void => {
    forget()
    // Not cleared: what is closed after this may wait as well.
    timer?.unref()
  }
  return { signal: controller.signal, stop }
}
