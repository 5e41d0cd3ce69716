import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { issue } from '../support/self-signed.ts'

export interface Issuer extends AsyncDisposable {
  readonly url: string
  readonly ca: string
  /** The forms that the token endpoint received. */
  readonly forms: readonly Record<string, string>[]
  refuse: boolean
}

/** An OpenID provider that supports only refreshes, on TLS with its own CA. */
export async function startIssuer(gives: {
  readonly idToken: (issuer: string) => string
  readonly refreshToken: string
}): Promise<Issuer> {
  const { cert, key } = await issue('issuer', new Date(Date.now() + 3_600_000))
  const forms: Record<string, string>[] = []
  const server = createServer({ cert, key }, (request, response) => {
    void (async () => {
      response.setHeader('content-type', 'application/json')
      if (request.url === '/.well-known/openid-configuration') {
        response.end(JSON.stringify({ issuer: issuer.url, token_endpoint: `${issuer.url}/token` }))
        return
      }
      const form = Object.fromEntries(new URLSearchParams(await text(request)))
      forms.push({ ...form, authorization: request.headers.authorization ?? '' })
      if (issuer.refuse) response.writeHead(400).end('{"error":"invalid_grant"}')
      else {
        const { idToken, refreshToken: refresh_token } = gives
        const id_token = idToken(issuer.url)
        response.end(JSON.stringify({ access_token: 'a', token_type: 'Bearer', id_token, refresh_token }))
      }
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ca: cert,
    forms,
    refuse: false,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return issuer
}
