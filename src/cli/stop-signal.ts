import type { Terminal } from './streams.ts'

/** A signal that aborts at Ctrl-C (SIGINT, SIGTERM). `stop` gives both back to the process. */
export function stopSignal(terminal: Terminal): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController()
  const stop = terminal.onStop(() => controller.abort())
  return { signal: controller.signal, stop }
}
