import { Agent, type Dispatcher } from 'undici'

const longest = 1024 * 1024
const timeout = 5000

/**
 * Gets a JSON document: https, or http from this machine itself; at most 1 MiB, within 5 s, no redirects. Rejects for
 * anything but a 200 with JSON. Only the URL is in its errors.
 */
export async function fetchJson(url: string, dispatcher?: Dispatcher): Promise<unknown> {
  const target = new URL(url)
  if (target.protocol !== 'https:' && !(target.protocol === 'http:' && isLoopback(target.hostname)))
    throw new Error(`${target.origin} is not reached over https`)
  const agent =
    dispatcher ?? new Agent({ connect: { timeout }, headersTimeout: timeout, bodyTimeout: timeout })
  try {
    const { statusCode, body } = await agent.request({
      origin: target.origin,
      path: `${target.pathname}${target.search}`,
      method: 'GET',
      headers: { accept: 'application/json' },
      signal: AbortSignal.timeout(timeout),
    })
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of body) {
      size += (chunk as Buffer).length
      if (statusCode !== 200 || size > longest) break
      chunks.push(chunk as Buffer)
    }
    if (statusCode !== 200) throw new Error(`${target.origin} answered ${statusCode}`)
    if (size > longest) throw new Error(`${target.origin} sent more than ${longest} bytes`)
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown
  } finally {
    if (dispatcher === undefined) await agent.destroy()
  }
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}
