import type { Log } from '../../log.ts'
import { reasonOf } from '../../reason-of.ts'

/** What files say now, and news of it. */
export interface WatchedValue<Value> {
  readonly current: Value
  onChange(listener: (value: Value) => void): void
  close(): void
}

const pollInterval = 2000

/**
 * What `read` makes of files, read again when they change: mounted Secrets change by a symbolic link, which no watch of
 * the file sees, so they are looked at every two seconds. A new value that cannot be read is logged and the old one stays.
 * The first one throws what `read` throws.
 */
export function watchValue<Value>(
  read: () => Value,
  {
    name,
    log,
    facts,
  }: { readonly name: string; readonly log: Log; readonly facts: (value: Value) => object },
): WatchedValue<Value> {
  let current = read()
  let complaint = ''
  const listeners: ((value: Value) => void)[] = []
  const timer = setInterval(() => {
    try {
      const next = read()
      complaint = ''
      if (JSON.stringify(next) === JSON.stringify(current)) return
      current = next
      for (const listener of listeners) listener(current)
      log.info(`${name} was replaced`, facts(current) as Record<string, unknown>)
    } catch (error) {
      const message = reasonOf(error)
      if (message !== complaint)
        log.error(`${name} is not used as it is now, the old one stays`, { reason: message })
      complaint = message
    }
  }, pollInterval)
  timer.unref()
  return {
    get current() {
      return current
    },
    onChange: (listener) => void listeners.push(listener),
    close: () => clearInterval(timer),
  }
}
