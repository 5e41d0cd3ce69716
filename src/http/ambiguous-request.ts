import type { IncomingMessage } from 'node:http'
import type { OciError } from '../oci/oci-error.ts'
import { HttpRefusal } from './http-refusal.ts'

/**
 * Headers that a message has at most once (RFC 9110, 5.3). Of two, Node takes the first; other servers take
 * the last.
 */
const single = [
  'host',
  'range',
  'expect',
  'if-range',
  'content-type',
  'authorization',
  'content-range',
  'content-length',
  'transfer-encoding',
]
const encodingPlace = single.indexOf('transfer-encoding')
const byLength = Map.groupBy(single, (name) => name.length)
const hostForm = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/

/**
 * Refuses a request that a proxy in front of trow may have parsed differently (request smuggling). Undefined:
 * the request is unambiguous. Node itself refuses a second or malformed Content-Length, Content-Length beside
 * Transfer-Encoding, folded lines, lone CR and LF.
 */
export function ambiguity(message: IncomingMessage): OciError | undefined {
  const { rawHeaders } = message
  let seen = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    const alike = byLength.get(name.length)
    const place = alike === undefined ? -1 : single.indexOf(name.toLowerCase())
    if (place < 0) continue
    if ((seen & (1 << place)) !== 0) return refused(`the header ${single[place]} stands twice: send it once`)
    seen |= 1 << place
  }
  if ((seen & (1 << encodingPlace)) !== 0) {
    if (message.httpVersionMinor === 0) return refused('HTTP/1.0 has no Transfer-Encoding')
    if (message.headers['transfer-encoding']?.toLowerCase() !== 'chunked')
      return refused('Transfer-Encoding: only chunked is taken')
  }
  const { host } = message.headers
  if (host === undefined) return undefined
  if (!hostForm.test(host))
    return refused('Host: a name or address, with or without a port, and nothing else')
  const named = message.url?.startsWith('/') === true ? undefined : authorityOf(message.url ?? '')
  if (named === undefined || named.toLowerCase() === host.toLowerCase()) return undefined
  return refused('the request target names another host than the header Host')
}

/** The authority of an absolute-form target, `http://host/path` (RFC 9112, 3.2.2). */
function authorityOf(target: string): string | undefined {
  return /^https?:\/\/([^/?#]*)/i.exec(target)?.[1]
}

/** The connection is closed: bytes after an ambiguous request may be a second request to another server. */
function refused(detail: string): OciError {
  return new HttpRefusal(400, 'REQUEST_INVALID', 'the request can be read in two ways', {
    detail,
    headers: { Connection: 'close' },
  })
}
