import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/repository-name.ts'
import { parseTag } from '../../src/oci/tag.ts'
import { AuditClient } from '../../src/upstream/audit-client.ts'
import { connectRegistry } from '../../src/upstream/http-registry-client.ts'
import { connectPusher } from '../../src/upstream/http-registry-pusher.ts'
import {
  parseChallenge,
  TokenServiceClient,
  type RegistryCredentials,
} from '../../src/upstream/token-service.ts'
import { UpstreamFault } from '../../src/upstream/upstream-fault.ts'
import { passwords, startGated } from '../support/gated-server.ts'
import { postToken } from '../support/ways.ts'

suite('pushing to a registry with a token service', () => {
  let server: Server
  let origin = ''
  /** The scopes that the service was asked for, and whether it grants them. */
  const asked: string[] = []
  let grants = true
  let seconds = 300
  let given = 0
  const tokens = new Map<string, readonly string[]>()
  /** Awaited before the service answers. */
  let hold: (() => Promise<void>) | undefined

  before(async () => {
    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<unknown> => {
      const url = new URL(request.url ?? '', origin)
      const body = await read(request)
      if (url.pathname === '/service') {
        const scopes =
          request.method === 'POST'
            ? (new URLSearchParams(body).get('scope') ?? '').split(' ')
            : url.searchParams.getAll('scope')
        const { grant_type, refresh_token } = Object.fromEntries(new URLSearchParams(body))
        asked.push(`${refresh_token ?? request.headers.authorization ?? 'nobody'} ${grant_type ?? ''}`.trim())
        if (!grants) return response.writeHead(401).end()
        const held = hold
        hold = undefined
        await held?.()
        const token = `token-${++given}`
        tokens.set(token, scopes)
        return response.end(JSON.stringify({ token, expires_in: seconds }))
      }
      const needed = `repository:a/b:${request.method === 'HEAD' ? 'pull' : 'push,pull'}`
      const held = tokens.get(/^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1] ?? '') ?? []
      if (!held.includes(needed)) {
        const challenge = `Bearer realm="${origin}/service",service="registry",scope="${needed}"`
        return response.writeHead(401, { 'www-authenticate': challenge }).end()
      }
      if (request.method === 'HEAD') return response.writeHead(404).end()
      if (request.method === 'POST') return response.writeHead(202, { location: '/upload' }).end()
      return response.writeHead(201).end()
    }
    server = createServer((request, response) => void answer(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(() => new Promise((resolve) => server.close(resolve)))
  beforeEach(() => {
    asked.length = 0
    tokens.clear()
    ;[grants, seconds] = [true, 300]
  })

  const repository = parseRepositoryName('a/b')
  async function push(credentials: RegistryCredentials | undefined, blobs = 1): Promise<void> {
    const pusher = connectPusher({ origin, ca: undefined, credentials })
    try {
      await Promise.all(
        Array.from({ length: blobs }, (_, index) => {
          const digest = parseDigest(`sha256:${String(index).padStart(64, '0')}`)
          const open = async function* (): AsyncGenerator<Uint8Array> {
            yield Buffer.from('x')
          }
          return pusher.pushBlob(repository, { digest, size: 1, open })
        }),
      )
      await pusher.pushManifest(repository, parseTag('1'), { mediaType: 'a/b', body: Buffer.from('{}') })
    } finally {
      await pusher.close()
    }
  }

  const password = { username: 'ada', password: 'secret' }
  const basic = `Basic ${Buffer.from('ada:secret').toString('base64')}`

  test('shows it a password, a refresh token or nothing, once for each right', async () => {
    await push(password)
    assert.deepEqual(asked, [basic, basic])
    asked.length = 0
    await push({ identitytoken: 'kept' })
    assert.deepEqual(asked, ['kept refresh_token', 'kept refresh_token'])
    asked.length = 0
    await push(undefined)
    assert.deepEqual(asked, ['nobody', 'nobody'])
  })

  test('never loses a right to another request beside it', async () => {
    await push(password, 20)
    const service = new TokenServiceClient({ credentials: password, ca: undefined })
    const challenge = (scope: string): string => `Bearer realm="${origin}/service",scope="${scope}"`
    for (const scope of ['repository:a/b:push,pull', 'repository:a/b:pull'])
      assert.equal(await service.takeUp(challenge(scope), undefined), true)
    const token = (await service.authorization())?.replace('Bearer ', '') ?? ''
    assert.deepEqual(tokens.get(token), ['repository:a/b:push,pull', 'repository:a/b:pull'])
    const before = asked.length
    assert.equal(await service.takeUp(challenge('repository:a/b:pull'), undefined), true)
    assert.equal(asked.length, before, 'another request has asked already')
  })

  test('an answer that comes late, for less, takes nothing from another request', async () => {
    const service = new TokenServiceClient({ credentials: password, ca: undefined })
    const takeUp = (scope: string): Promise<boolean> =>
      service.takeUp(`Bearer realm="${origin}/service",scope="${scope}"`, undefined)
    const gate = Promise.withResolvers<void>()
    const isHeld = Promise.withResolvers<void>()
    hold = () => {
      isHeld.resolve()
      return gate.promise
    }
    const first = takeUp('repository:a/b:pull')
    await isHeld.promise
    const second = takeUp('repository:a/c:pull repository:a/d:pull')
    // By then any request that the second call sends without waiting for the first is answered.
    await Promise.race([second, sleep(300)])
    gate.resolve()
    assert.deepEqual(await Promise.all([first, second]), [true, true])
    const token = (await service.authorization())?.replace('Bearer ', '') ?? ''
    assert.deepEqual(tokens.get(token), ['repository:a/b:pull', 'repository:a/c:pull', 'repository:a/d:pull'])
  })

  test('asks again before a token ends', async () => {
    seconds = 0
    await push(password)
    assert.ok(asked.length > 2)
  })

  test('is denied by the registry where the service gives nothing, and does not go on asking', async () => {
    grants = false
    await assert.rejects(
      push(password),
      (error: unknown) => error instanceof UpstreamFault && error.kind === 'denied',
    )
    assert.equal(asked.length, 1)
  })
})

test('a session goes through more repositories than fit into one token, the catalogue and the audit', async () => {
  const gated = await startGated({ 'audit-readers': ['admin'] })
  const login = {
    grant_type: 'password',
    username: 'admin',
    password: passwords.admin,
    access_type: 'offline',
  }
  const { refresh_token: identitytoken = '' } = await postToken(gated.url, login)
  const options = { origin: gated.url, ca: undefined, credentials: { identitytoken } }
  const registry = connectRegistry(options)
  const audit = new AuditClient(options)
  try {
    const names = Array.from({ length: 120 }, (_, index) => `${'long/'.repeat(20)}r${index}`)
    for (const name of names) assert.equal(await registry.tags(parseRepositoryName(name)), undefined, name)
    assert.deepEqual(await Array.fromAsync(registry.repositories()), [])
    await Array.fromAsync(audit.read('query?limit=1', AbortSignal.timeout(30_000)))
  } finally {
    await audit.close()
    await registry.close()
    await gated.close()
  }
})

suite('challenges', () => {
  test('are read in any order and beside others', () => {
    const expected = { realm: 'https://a.test/token', service: 'a, "b"', scope: undefined }
    for (const header of [
      'Bearer realm="https://a.test/token",service="a, \\"b\\""',
      'bearer service="a, \\"b\\"", realm="https://a.test/token"',
      'Basic realm="x", Bearer realm=https://a.test/token,service="a, \\"b\\""',
    ])
      assert.deepEqual(parseChallenge(header), expected, header)
    for (const header of [
      '',
      'Basic realm="x"',
      'Bearer',
      'Bearer realm="file:///etc/passwd"',
      'Bearer realm="/token"',
    ])
      assert.equal(parseChallenge(header), undefined, header)
  })

  test('of whatever kind give a URL or nothing', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const header of [text, `Bearer ${text}`, `Bearer realm="${text}"`]) {
          const challenge = parseChallenge(header)
          if (challenge !== undefined) assert.match(new URL(challenge.realm).protocol, /^https?:$/)
        }
      }),
    )
  })
})

async function read(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}
