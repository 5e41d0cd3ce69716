import type { ServerRequest } from '../../http/server-request.ts'

/** The body as text. Throws when it has more than `limit` bytes. */
export async function readText(request: ServerRequest, limit: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body().source) {
    size += chunk.byteLength
    if (size > limit) throw new Error('the request is too long')
    // Copied: a chunk is valid only until the next one.
    chunks.push(Uint8Array.from(chunk))
  }
  return Buffer.concat(chunks).toString('utf8')
}
