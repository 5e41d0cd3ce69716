/** A CloudEvent as stored in the log. */
export interface AuditEvent {
  readonly id: string
  readonly type: string
  readonly time: string
  readonly subject?: string
  readonly data: {
    readonly decision?: string
    readonly action?: string
    readonly reason?: string
    readonly actor?: { readonly user?: string }
    readonly client?: { readonly ip?: string }
    readonly repository?: string
    readonly reference?: string
    readonly digest?: string
    readonly count?: number
    readonly [name: string]: unknown
  }
}

/** Bytes of a line. Texts in it are bounded when it is written (`audit-record.ts`). */
const longestLine = 1024 * 1024

const texts = ['decision', 'action', 'reason', 'repository', 'reference', 'digest', 'signed']
const numbers = ['count', 'row']

/**
 * Parses a line of a log; undefined if it is not an event. It checks the types of all fields that queries,
 * verification and recovery read, because an edited log may hold anything. Written without zod, which would
 * cost 14 MB in each of four threads.
 */
export function parseEvent(line: Uint8Array): AuditEvent | undefined {
  const value = parseLine(line)
  return isEvent(value) ? value : undefined
}

/** Returns the time of a line's event; undefined if it has none. */
export function parseTime(line: Uint8Array): string | undefined {
  const value = parseLine(line)
  const time = isObject(value) ? value['time'] : undefined
  return typeof time === 'string' ? time : undefined
}

function parseLine(line: Uint8Array): unknown {
  if (line.length > longestLine) return undefined
  try {
    return JSON.parse(Buffer.from(line).toString('utf8'))
  } catch {
    return undefined
  }
}

function isEvent(value: unknown): value is AuditEvent {
  if (!isObject(value)) return false
  const { id, type, time, subject, data } = value
  return (
    typeof id === 'string' &&
    typeof type === 'string' &&
    typeof time === 'string' &&
    isOptional(subject, 'string') &&
    isObject(data) &&
    texts.every((name) => isOptional(data[name], 'string')) &&
    numbers.every((name) => isOptional(data[name], 'number')) &&
    isPart(data['actor'], 'user') &&
    isPart(data['client'], 'ip')
  )
}

function isPart(value: unknown, name: string): boolean {
  return value === undefined || (isObject(value) && isOptional(value[name], 'string'))
}

function isOptional(value: unknown, type: 'string' | 'number'): boolean {
  return value === undefined || typeof value === type
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
