import type { Reply } from '../../http/reply.ts'
import { reasonOf } from '../../reason-of.ts'

/**
 * Sends one JSON line per event, at the client's pace. If reading the events fails, the last line is
 * `{"error":…}`.
 */
export function eventReply(events: AsyncIterable<object> | Iterable<object>): Reply {
  return {
    status: 200,
    headers: [],
    body: { length: undefined, stream: () => linesOf(events), close: () => undefined },
  }
}

async function* linesOf(events: AsyncIterable<object> | Iterable<object>): AsyncGenerator<Uint8Array> {
  try {
    for await (const event of events) yield Buffer.from(`${JSON.stringify(event)}\n`)
  } catch (error) {
    yield Buffer.from(`${JSON.stringify({ error: reasonOf(error) })}\n`)
  }
}
