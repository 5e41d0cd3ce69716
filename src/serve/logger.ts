import pino from 'pino'
import type { Log } from '../log.ts'
import { visibleLine, visibleText } from '../visible-text.ts'

type Fields = Readonly<Record<string, unknown>>
type Level = 'debug' | 'info' | 'warn' | 'error'

const order: readonly Level[] = ['debug', 'info', 'warn', 'error']

/** Log lines on stderr, from any thread: JSON by pino, or text for a person at a terminal. */
export function createLogger(options: { readonly format: 'json' | 'text'; readonly level: Level }): Log {
  // Whole lines, written at once: several threads share the descriptor.
  const destination = pino.destination({ fd: 2, sync: true })
  if (options.format === 'json') {
    const logger = pino(
      { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
      destination,
    )
    const say =
      (level: Level) =>
      (message: string, fields: Fields = {}): void =>
        logger[level](fields, message)
    return { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') }
  }
  const say = (level: Level) => {
    if (order.indexOf(level) < order.indexOf(options.level)) return () => {}
    return (message: string, fields: Fields = {}): void => {
      destination.write(`${textLine(level, message, fields)}\n`)
    }
  }
  return { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') }
}

function textLine(level: Level, message: string, fields: Fields): string {
  const label = level === 'info' ? '' : `${level}: `
  const rest = Object.entries(fields).filter(
    ([name]) => name !== 'url' || !message.includes(String(fields['url'])),
  )
  const shown = rest.map(
    ([name, value]) => `${name}=${visibleLine(typeof value === 'string' ? value : JSON.stringify(value))}`,
  )
  return [`${label}${visibleText(message)}`, ...shown].join(' ')
}
