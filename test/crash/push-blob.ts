import type { Answer, Client } from './http-client.ts'
import { sha256 } from './model.ts'

export const octets = 'application/octet-stream'

/** The ways of real clients: one request, one after the opening, a stream, and chunks. */
export const pushWays = ['whole', 'closing', 'streamed', 'chunked'] as const
export type PushWay = (typeof pushWays)[number]

/** Pushes a blob; resolves to the answer that ended it, which is 201 if it was taken. */
export async function pushBlob(
  client: Client,
  repository: string,
  { bytes, way }: { readonly bytes: Buffer; readonly way: PushWay },
): Promise<Answer> {
  const uploads = `/v2/${repository}/blobs/uploads/`
  const digest = sha256(bytes)
  const headers = { 'content-type': octets }
  if (way === 'whole') return client.request('POST', `${uploads}?digest=${digest}`, { body: bytes, headers })
  const opened = await client.request('POST', uploads)
  if (opened.status !== 202) return opened
  let location = String(opened.headers.location)
  const close = (): string => `${location}${location.includes('?') ? '&' : '?'}digest=${digest}`
  if (way === 'closing') return client.request('PUT', close(), { body: bytes, headers })
  const half = bytes.length >> 1
  const parts = way === 'streamed' ? [bytes] : [bytes.subarray(0, half), bytes.subarray(half)]
  let offset = 0
  for (const part of parts) {
    const range = way === 'streamed' ? {} : { 'content-range': `${offset}-${offset + part.length - 1}` }
    const answer = await client.request('PATCH', location, {
      body: part,
      headers: { ...headers, ...range },
      chunked: way === 'streamed',
    })
    if (answer.status !== 202) return answer
    location = String(answer.headers.location)
    offset += part.length
  }
  return client.request('PUT', close())
}
