import type { Dispatcher } from 'undici'
import { Http1Agent } from '../http1-agent.ts'
import { readLimited } from '../limited-body.ts'

const longest = 1024 * 1024
const timeout = 5000

/**
 * Gets a JSON document by https, or by http from a loopback address; at most 1 MiB, within 5 s, no redirects.
 * Rejects for anything but a 200 with JSON. Its own errors name only the origin of the URL. The caller
 * validates the result by a schema.
 */
export async function fetchJson(url: string, dispatcher?: Dispatcher): Promise<unknown> {
  const target = new URL(url)
  if (target.protocol !== 'https:' && !(target.protocol === 'http:' && isLoopback(target.hostname)))
    throw new Error(`${target.origin} is not reached over https`)
  const agent =
    dispatcher ?? new Http1Agent({ connect: { timeout }, headersTimeout: timeout, bodyTimeout: timeout })
  try {
    const { statusCode, body } = await agent.request({
      origin: target.origin,
      path: `${target.pathname}${target.search}`,
      method: 'GET',
      headers: { accept: 'application/json' },
      signal: AbortSignal.timeout(timeout),
    })
    if (statusCode !== 200) {
      await body.dump()
      throw new Error(`${target.origin} answered ${statusCode}`)
    }
    const text = (await readLimited(body, longest)).toString('utf8')
    return JSON.parse(text) as unknown
  } finally {
    if (dispatcher === undefined) await agent.destroy()
  }
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}
