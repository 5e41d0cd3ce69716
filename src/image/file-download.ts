import { EnvHttpProxyAgent, interceptors } from 'undici'

/** Thrown where a server answered, but not with the file. */
export class DownloadRefused extends Error {
  readonly status: number

  constructor(url: string, status: number) {
    super(`${new URL(url).host} answered ${status}`)
    this.status = status
  }
}

/**
 * Gets a file of at most `limit` bytes, by way of the proxy that the environment names, following up to 5 redirects;
 * gives up after a minute in which nothing came. Rejects with DownloadRefused for any answer but 200.
 */
export async function downloadFile(url: string, limit: number): Promise<Buffer> {
  const agent = new EnvHttpProxyAgent({ headersTimeout: 60_000, bodyTimeout: 60_000 })
  const { origin, pathname, search } = new URL(url)
  try {
    const { statusCode, body } = await agent
      .compose(interceptors.redirect({ maxRedirections: 5 }))
      .request({ origin, path: `${pathname}${search}`, method: 'GET' })
    if (statusCode !== 200) throw new DownloadRefused(url, statusCode)
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > limit) throw new Error(`it has more than ${limit} bytes`)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } finally {
    await agent.destroy()
  }
}
