import { createHash } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** The API server's review of a token. */
export interface TokenUser {
  readonly username: string
  readonly uid?: string
  readonly groups?: readonly string[]
  readonly extra?: Readonly<Record<string, readonly string[]>>
}

/**
 * The five paths of a Kubernetes API server that the registry asks, so that a test can take away a token, a Node or an
 * account at a given moment. Its answers of a TokenReview are kept for 10 s by token and audiences, as the real one's are.
 */
export class ApiServer {
  readonly tokens = new Map<string, TokenUser>()
  /** Uids by name. */
  readonly nodes = new Map<string, string>()
  /** Uids by `NAMESPACE/NAME`. */
  readonly accounts = new Map<string, string>()
  clientCa = ''
  /** The API server answers no request. */
  silent = false
  readonly #remembered = new Map<string, { readonly user: TokenUser; readonly until: number }>()
  readonly #server = http.createServer((request, response) => {
    if (this.silent) return void request.socket.destroy()
    void this.#answer(request).then((reply) => {
      response.writeHead(reply === undefined ? 404 : 200, { 'Content-Type': 'application/json' })
      response.end(JSON.stringify(reply ?? { kind: 'Status', status: 'Failure', code: 404 }))
    })
  })

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #answer(request: http.IncomingMessage): Promise<object | undefined> {
    const [path = ''] = (request.url ?? '').split('?')
    const body = request.method === 'POST' ? (JSON.parse(await text(request)) as Review) : undefined
    if (body !== undefined && path.endsWith('/tokenreviews'))
      return { ...body, status: this.#token(body.spec) }
    // Every authenticated caller may do everything, since only authentication is tested.
    if (body !== undefined && path.endsWith('/subjectaccessreviews'))
      return { ...body, status: { allowed: body.spec.user !== 'system:anonymous' } }
    if (path.endsWith('/configmaps/extension-apiserver-authentication'))
      return { kind: 'ConfigMap', apiVersion: 'v1', data: { 'client-ca-file': this.clientCa } }
    const [, node] = /^\/api\/v1\/nodes\/([^/]+)$/.exec(path) ?? []
    const [, namespace, account] =
      /^\/api\/v1\/namespaces\/([^/]+)\/serviceaccounts\/([^/]+)$/.exec(path) ?? []
    const uid = node === undefined ? this.accounts.get(`${namespace}/${account}`) : this.nodes.get(node)
    return uid === undefined ? undefined : { metadata: { name: node ?? account, uid } }
  }

  #token({ token, audiences = [] }: Review['spec']): object {
    const key = createHash('sha256')
      .update(JSON.stringify([token, audiences]))
      .digest('hex')
    const kept = this.#remembered.get(key)
    const user = kept !== undefined && kept.until > Date.now() ? kept.user : this.tokens.get(token)
    if (user === undefined) return { authenticated: false, error: 'the token is not known' }
    if (user !== kept?.user) this.#remembered.set(key, { user, until: Date.now() + 10_000 })
    return { authenticated: true, user, audiences: audiences.filter((each) => each === 'trow') }
  }
}

interface Review {
  readonly spec: { readonly token: string; readonly audiences?: readonly string[]; readonly user?: string }
}
