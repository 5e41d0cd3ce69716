import { Http1ProxyAgent } from '../http1-agent.ts'

/** A server answered, but not with the file. */
export class DownloadRefused extends Error {
  readonly status: number

  constructor(url: string, status: number) {
    super(`${new URL(url).host} answered ${status}`)
    this.status = status
  }
}

/**
 * Downloads a file of at most `limit` bytes through the environment's proxy, following up to 5 redirects.
 * `received` is told the bytes of each part. Fails after a minute without data. Rejects with DownloadRefused for any status other than 200.
 */
export async function downloadFile(
  url: string,
  limit: number,
  received: (bytes: number) => void = () => {},
): Promise<Buffer> {
  const agent = new Http1ProxyAgent({ headersTimeout: 60_000, bodyTimeout: 60_000 })
  const { origin, pathname, search } = new URL(url)
  try {
    const { statusCode, body } = await agent
      .following(5)
      .request({ origin, path: `${pathname}${search}`, method: 'GET' })
    if (statusCode !== 200) throw new DownloadRefused(url, statusCode)
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > limit) throw new Error(`it has more than ${limit} bytes`)
      chunks.push(chunk)
      received(chunk.length)
    }
    return Buffer.concat(chunks)
  } finally {
    await agent.destroy()
  }
}
