import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { forwardPort } from './forwarded-port.ts'
import type { KubeContext, KubeUser } from '../../src/cluster/kube-context.ts'

export interface Asked {
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  /** Name, value, name, value: as they were sent. */
  readonly rawHeaders: readonly string[]
  readonly contentType: string | undefined
  readonly body: { readonly spec?: Record<string, unknown> } | undefined
}

type Answer = (asked: Asked, response: ServerResponse, request: IncomingMessage) => void | Promise<void>

/** For faults that a real API server does not have on demand. What the real one says is asked of it in test/e2e. */
export interface FakeApiServer {
  readonly url: string
  readonly asked: readonly Asked[]
  /** Connections ever opened. */
  readonly connections: number
  answer: Answer
  /** The port of this machine to which every port-forward leads. Undefined: they are refused. */
  forwardTo: number | undefined
  close(): Promise<void>
}

export async function startFakeApiServer(answer: Answer): Promise<FakeApiServer> {
  const asked: Asked[] = []
  const fake: { -readonly [Key in keyof FakeApiServer]: FakeApiServer[Key] } = {
    url: '',
    asked,
    answer,
    connections: 0,
    forwardTo: undefined,
    close,
  }
  const server = createServer((request, response) => {
    void (async () => {
      const body = await text(request)
      const one: Asked = {
        method: request.method ?? '',
        path: request.url ?? '',
        authorization: request.headers.authorization,
        rawHeaders: request.rawHeaders,
        contentType: request.headers['content-type'],
        body: body === '' ? undefined : (JSON.parse(body) as Asked['body']),
      }
      asked.push(one)
      await fake.answer(one, response, request)
    })()
  })
  server.on('connection', () => fake.connections++)
  const upgraded = new Set<Duplex>()
  server.on('upgrade', (request, socket, head) => {
    upgraded.add(socket.on('close', () => upgraded.delete(socket)))
    if (fake.forwardTo === undefined) socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n')
    else forwardPort(request, { socket, head, to: fake.forwardTo })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  fake.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return fake

  async function close(): Promise<void> {
    server.closeAllConnections()
    for (const socket of upgraded) socket.destroy()
    server.close()
    await once(server, 'close')
  }
}

export function reply(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}

/** A meta/v1 Status, as every refusal of an API server is. */
export function failure(
  response: ServerResponse,
  status: number,
  message: string,
  retryAfter?: number,
): void {
  const body = { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, code: status }
  reply(response, status, body, retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) })
}

export function contextFor(url: string, user: Partial<KubeUser> = {}): KubeContext {
  return {
    name: 'fake',
    file: undefined,
    namespace: undefined,
    cluster: { server: url, ca: undefined, insecure: false, serverName: undefined, proxyUrl: undefined },
    user: {
      name: 'somebody',
      certificate: undefined,
      token: { kind: 'token', token: 'own-credential' },
      impersonate: undefined,
      ...user,
    },
  }
}

/** Answers discovery of `v1` and `apps/v1` as a real API server does, and leaves the rest to another. */
export function discovering(answer: Answer): Answer {
  const resources = (...list: [name: string, kind: string, namespaced: boolean][]): object => ({
    kind: 'APIResourceList',
    resources: list.map(([name, kind, namespaced]) => ({ name, kind, namespaced, verbs: ['get'] })),
  })
  const core = resources(
    ['configmaps', 'ConfigMap', true],
    ['namespaces', 'Namespace', false],
    ['pods', 'Pod', true],
    ['pods/log', 'Pod', true],
    ['pods/portforward', 'PodPortForwardOptions', true],
    ['services', 'Service', true],
  )
  return (asked, response, request) => {
    if (asked.path === '/api/v1') return reply(response, 200, core)
    if (asked.path === '/apis/apps/v1') {
      return reply(response, 200, resources(['statefulsets', 'StatefulSet', true]))
    }
    return answer(asked, response, request)
  }
}

/** An unsigned JWT: only what it says of itself matters here. */
export function jwt(claims: Readonly<Record<string, unknown>>): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'RS256' })}.${part(claims)}.c2lnbmF0dXJl`
}
