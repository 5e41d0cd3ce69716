import type { Reply } from '../../http/reply.ts'
import { reasonOf } from '../../reason-of.ts'

/** A JSON line each, no faster than they are taken; a last line `{"error":…}` says that it failed. */
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
