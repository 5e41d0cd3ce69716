import pino from 'pino'
import type { Log } from '../log.ts'
import { visibleLine, visibleText } from '../visible-text.ts'

type LogFields = Readonly<Record<string, unknown>>
type Level = 'debug' | 'info' | 'warn' | 'error'

/** A log whose level can change. */
export interface Logger extends Log {
  /** Lines below this level are not written. */
  setLevel(level: Level): void
}

const order: readonly Level[] = ['debug', 'info', 'warn', 'error']

/** Writes log lines to stderr from any thread: JSON by pino, or text for a terminal. */
export function createLogger(options: { readonly format: 'json' | 'text'; readonly level: Level }): Logger {
  // Each line is written whole and synchronously, because several threads share the descriptor.
  const destination = pino.destination({ fd: 2, sync: true })
  if (options.format === 'json') {
    const logger = pino(
      {
        level: options.level,
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      destination,
    )
    const logAt =
      (level: Level) =>
      (message: string, fields: LogFields = {}): void =>
        logger[level](fields, message)
    return { ...levels(logAt), setLevel: (level) => void (logger.level = level) }
  }
  let lowest = order.indexOf(options.level)
  const logAt =
    (level: Level) =>
    (message: string, fields: LogFields = {}): void => {
      if (order.indexOf(level) >= lowest) destination.write(`${textLine(level, message, fields)}\n`)
    }
  return { ...levels(logAt), setLevel: (level) => void (lowest = order.indexOf(level)) }
}

function levels(logAt: (level: Level) => Log['info']): Log {
  return { debug: logAt('debug'), info: logAt('info'), warn: logAt('warn'), error: logAt('error') }
}

/** `auto` is text on a terminal, else JSON. */
export function logFormatOf(
  format: 'auto' | 'json' | 'text',
  { stderr }: { readonly stderr: { readonly isTTY?: boolean } },
): 'json' | 'text' {
  if (format !== 'auto') return format
  return stderr.isTTY === true ? 'text' : 'json'
}

function textLine(level: Level, message: string, fields: LogFields): string {
  const label = level === 'info' ? '' : `${level}: `
  const rest = Object.entries(fields).filter(
    ([name]) => name !== 'url' || !message.includes(String(fields['url'])),
  )
  const shown = rest.map(
    ([name, value]) => `${name}=${visibleLine(typeof value === 'string' ? value : JSON.stringify(value))}`,
  )
  return [`${label}${visibleText(message)}`, ...shown].join(' ')
}
