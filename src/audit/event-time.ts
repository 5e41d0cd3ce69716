import type { ChainedLine } from './chain.ts'
import { parseTime } from './event-schema.ts'

/** Milliseconds since the epoch; 0 where the event has no time. */
export function eventTime({ event }: ChainedLine): number {
  return Date.parse(parseTime(event) ?? '') || 0
}
