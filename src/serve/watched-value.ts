import { FileWatch } from '../file-watch.ts'
import { markOrReason } from '../file-mark.ts'
import type { Log } from '../log.ts'
import { reasonOf } from '../reason-of.ts'

/** A value read from files, and notice of its changes. */
export interface WatchedValue<Value> {
  readonly current: Value
  onChange(listener: (value: Value, before: Value) => void): void
  close(): void
}

export interface WatchOptions<Value> {
  /** The files that are read. One that may be missing is listed too. */
  readonly files: readonly string[]
  readonly log: Log
  /** The log line when the files were read again, and its fields. */
  readonly changed: string
  readonly facts: (value: Value) => Readonly<Record<string, unknown>>
  /** The log line when the new value cannot be read. */
  readonly refused: string
  /** Milliseconds. */
  readonly interval?: number
}

/**
 * Reads a value from files with `read`, and again within half a second of a change. If a later read fails, that is
 * logged once and the old value stays in use. The first read throws what `read` throws.
 */
export function watchValue<Value>(read: () => Value, options: WatchOptions<Value>): WatchedValue<Value> {
  const { files, log, changed, facts, refused, interval } = options
  const marks = (): ReadonlyMap<string, string> => new Map(files.map((file) => [file, markOrReason(file)]))
  const first = marks()
  let current = read()
  let complaint = ''
  const listeners: ((value: Value, before: Value) => void)[] = []
  const watch = new FileWatch({
    marks,
    read: first,
    ...(interval !== undefined && { interval }),
    changed: () => {
      const before = current
      current = read()
      complaint = ''
      for (const listener of listeners) listener(current, before)
      log.info(changed, facts(current))
    },
    unchanged: () => void (complaint = ''),
    failed: (error) => {
      const message = reasonOf(error)
      if (message !== complaint) log.error(refused, { reason: message })
      complaint = message
    },
  })
  watch.start()
  return {
    get current() {
      return current
    },
    onChange: (listener) => void listeners.push(listener),
    close: () => watch.close(),
  }
}
