import type { ServerResponse } from 'node:http'

/** A JSON line each; a last line `{"error":…}` says that it failed. */
export async function sendEvents(
  response: ServerResponse,
  events: AsyncIterable<object> | Iterable<object>,
): Promise<void> {
  try {
    for await (const event of events) {
      if (response.destroyed) return
      if (!response.write(`${JSON.stringify(event)}\n`)) await drained(response)
    }
    response.end()
  } catch (error) {
    response.end(`${JSON.stringify({ error: (error as Error).message })}\n`)
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    response.once('drain', resolve)
    response.once('close', resolve)
  })
}
