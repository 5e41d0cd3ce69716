import type { ResponseHeaders } from './s3-fault.ts'

export interface AnswerHead {
  readonly status: number
  readonly headers: ResponseHeaders
  readonly keepsAlive: boolean
}

/** Throws if it is not the head of an HTTP/1.1 answer. Of a header that is repeated the first counts. */
export function parseHead(head: string): AnswerHead {
  const [first = '', ...lines] = head.split('\r\n')
  const match = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(first)
  if (match === null) throw new Error('the answer is not HTTP/1.1')
  const headers: Record<string, string> = Object.create(null) as Record<string, string>
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon <= 0) throw new Error('the head of the answer is not HTTP')
    headers[line.slice(0, colon).toLowerCase()] ??= line.slice(colon + 1).trim()
  }
  const keepsAlive = match[1] === '1' && headers['connection']?.toLowerCase() !== 'close'
  return { status: Number(match[2]), headers, keepsAlive }
}

/** Bytes of the body; undefined: it ends in another way than by its length. */
export function lengthOf(headers: ResponseHeaders): number | undefined {
  const length = headers['content-length']
  if (headers['transfer-encoding'] !== undefined || typeof length !== 'string') return undefined
  if (!/^\d{1,15}$/.test(length)) throw new Error('the length of the answer is not a number')
  return Number(length)
}
