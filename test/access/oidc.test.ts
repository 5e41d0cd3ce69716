import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import { after, before, suite, test } from 'node:test'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from 'jose'
import type { Verified } from '../../src/access/authority.ts'
import { OidcTokens } from '../../src/access/oidc.ts'
import { issuersProblem, type OidcIssuer } from '../../src/access/oidc-issuer.ts'
import { fetchJson } from '../../src/access/json-fetch.ts'

const start = 1_800_000_000_000
const github = {
  sub: 'repo:acme/app:ref:refs/heads/main',
  repository: 'acme/app',
  repository_owner: 'acme',
  ref: 'refs/heads/main',
  actor: 'octocat',
}

/** A real issuer on this machine. */
class Issuer {
  readonly server: Server
  readonly asked: string[] = []
  url = ''
  said: string | undefined
  down = false
  #keys: { kid: string; privateKey: CryptoKey; jwk: object }[] = []

  constructor() {
    this.server = createServer((request, response) => {
      this.asked.push(request.url ?? '')
      if (this.down) return void response.writeHead(503).end()
      if (request.url === '/.well-known/openid-configuration')
        return void response.end(
          JSON.stringify({ issuer: this.said ?? this.url, jwks_uri: `${this.url}/keys` }),
        )
      response.end(JSON.stringify({ keys: this.#keys.map(({ jwk }) => jwk) }))
    })
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${(this.server.address() as { port: number }).port}`
    await this.rotate('k1')
  }

  async rotate(kid: string): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    this.#keys = [{ kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256' } }]
  }

  token(
    claims: object = github,
    extra: { exp?: number; aud?: string | string[]; nbf?: number; iss?: string } = {},
  ) {
    const [key] = this.#keys
    assert.ok(key)
    const { exp = start / 1000 + 600, aud = 'trow', nbf = start / 1000, iss = this.url } = extra
    return new SignJWT({ ...claims, iss, aud, exp, nbf, jti: 'job-7' })
      .setProtectedHeader({ alg: 'ES256', kid: key.kid })
      .sign(key.privateKey)
  }
}

suite('OIDC tokens', () => {
  const issuer = new Issuer()
  let now = start
  before(() => issuer.listen())
  after(() => new Promise((resolve) => issuer.server.close(resolve)))

  const open = (...entries: Partial<OidcIssuer>[]): OidcTokens => {
    now = start
    issuer.asked.splice(0)
    const issuers = (entries.length === 0 ? [{}] : entries).map((entry) => ({
      issuer: issuer.url,
      audiences: ['trow'],
      claims: { repository: 'acme/*', ref: 'refs/heads/main' },
      ...entry,
    }))
    assert.equal(issuersProblem(issuers), undefined)
    return new OidcTokens({ issuers, fetchJson, now: () => now })
  }
  const refusal = (answer: Verified): string => {
    assert.ok(!answer.ok && answer.kind === 'refused')
    return answer.reason
  }

  test('claims like those of GitHub name the workload, and the issuer is asked once', async () => {
    const tokens = open()
    const token = await issuer.token()
    assert.ok(tokens.claims(token))
    const [answer] = await Promise.all([tokens.verify(token), tokens.verify(token), tokens.verify(token)])
    assert.ok(answer.ok)
    assert.deepEqual(answer.principal, {
      kind: 'oidc',
      name: 'oidc:repo:acme/app:ref:refs/heads/main',
      groups: [],
      reviewable: true,
      credentialId: 'job-7',
      expiresAt: start + 600_000,
    })
    assert.equal(answer.until, start + 120_000)
    await tokens.verify(await issuer.token({ ...github, actor: 'somebody' }))
    assert.deepEqual(issuer.asked, ['/.well-known/openid-configuration', '/keys'])
  })

  test('claims like those of GitLab, with a name and groups from others', async () => {
    const tokens = open({
      usernameClaim: 'user_login',
      groupsClaim: 'groups_direct',
      prefix: 'gitlab:',
      claims: { project_path: 'acme/**', ref_protected: 'true' },
    })
    const answer = await tokens.verify(
      await issuer.token({
        sub: 'project_path:acme/sub/app:ref_type:branch:ref:main',
        project_path: 'acme/sub/app',
        ref_protected: 'true',
        user_login: 'alice',
        groups_direct: ['acme', 'acme/sub'],
      }),
    )
    assert.ok(answer.ok)
    assert.equal(answer.principal.name, 'gitlab:alice')
    assert.deepEqual(answer.principal.groups, ['gitlab:acme', 'gitlab:acme/sub'])
  })

  test('what does not fit is refused, and the reason says what', async () => {
    const tokens = open()
    const rows: [Promise<string>, RegExp][] = [
      [
        issuer.token({ ...github, repository: 'evil/app' }),
        /"repository" is "evil\/app", and only "acme\/\*"/,
      ],
      [issuer.token({ ...github, repository: 'acme/app/x' }), /"repository"/],
      [issuer.token({ ...github, ref: 'refs/heads/other' }), /"ref"/],
      [issuer.token({ ...github, ref: undefined }), /no claim "ref"/],
      [issuer.token({ ...github, ref: ['refs/heads/main'] }), /no claim "ref"/],
      [issuer.token({ ...github, sub: undefined }), /no claim "sub"/],
      [issuer.token({ ...github, sub: 'a\nb' }), /control characters/],
      [issuer.token(github, { aud: 'other' }), /audience is not "trow"/],
      [issuer.token(github, { exp: start / 1000 }), /expired/],
      [issuer.token(github, { exp: start / 1000 - 1000 }), /expired/],
      [issuer.token(github, { nbf: start / 1000 + 61 }), /not valid yet/],
      [issuer.token().then((token) => `${token.slice(0, -6)}AAAAAA`), /signature/],
    ]
    for (const [token, expected] of rows) assert.match(refusal(await tokens.verify(await token)), expected)
    assert.ok((await tokens.verify(await issuer.token(github, { aud: ['x', 'trow'] }))).ok)
    assert.ok((await tokens.verify(await issuer.token(github, { nbf: start / 1000 + 59 }))).ok)
  })

  test('a token that another made in the name of the issuer, unsigned or signed by itself, is refused', async () => {
    const tokens = open()
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const claims = { ...github, iss: issuer.url, aud: 'trow', exp: start / 1000 + 600 }
    const unsigned = `${part({ alg: 'none', kid: 'k1' })}.${part(claims)}.AA`
    assert.ok(!(await tokens.verify(unsigned)).ok)
    const own = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
      .sign(new Uint8Array(32))
    assert.ok(!(await tokens.verify(own)).ok)
    assert.equal(tokens.claims(await issuer.token(github, { iss: `${issuer.url}/` })), false)
  })

  test('entries of one issuer are tried in turn', async () => {
    const tokens = open(
      { claims: { repository: 'acme/app' }, prefix: 'app:' },
      { claims: { repository: 'acme/*' }, prefix: 'app:', usernameClaim: 'repository' },
    )
    const first = await tokens.verify(await issuer.token())
    const second = await tokens.verify(await issuer.token({ ...github, repository: 'acme/lib' }))
    assert.ok(first.ok && second.ok)
    assert.equal(first.principal.name, 'app:repo:acme/app:ref:refs/heads/main')
    assert.equal(second.principal.name, 'app:acme/lib')
  })

  test('a new key is looked up at once, but not more than twice a minute', async () => {
    const tokens = open()
    assert.ok((await tokens.verify(await issuer.token())).ok)
    now += 31_000
    await issuer.rotate('k2')
    assert.ok((await tokens.verify(await issuer.token())).ok)
    const asked = issuer.asked.length
    await issuer.rotate('k3')
    const early = await issuer.token()
    assert.match(refusal(await tokens.verify(early)), /key/)
    assert.equal(issuer.asked.length, asked)
    now += 30_000
    assert.ok((await tokens.verify(early)).ok)
    await issuer.rotate('k1')
  })

  test('an issuer that is away: what was known serves a day, what was not is unavailable', async () => {
    const fresh = open()
    issuer.down = true
    const answer = await fresh.verify(await issuer.token())
    assert.ok(!answer.ok && answer.kind === 'unavailable')
    assert.equal(answer.retryAfter, 30)
    issuer.down = false
    now += 30_000
    assert.ok((await fresh.verify(await issuer.token())).ok)
    issuer.down = true
    now += 3 * 3_600_000
    assert.ok((await fresh.verify(await issuer.token(github, { exp: now / 1000 + 60 }))).ok)
    now += 24 * 3_600_000
    const late = await fresh.verify(await issuer.token(github, { exp: now / 1000 + 60 }))
    assert.ok(!late.ok && late.kind === 'unavailable')
    issuer.down = false
  })

  test('an issuer that calls itself something else is not believed', async () => {
    const tokens = open()
    issuer.said = 'https://evil.example'
    const answer = await tokens.verify(await issuer.token())
    assert.ok(!answer.ok && answer.kind === 'unavailable')
    issuer.said = undefined
  })
})

suite('the configuration of OIDC issuers', () => {
  const problem = (entry: Partial<OidcIssuer>): string | undefined =>
    issuersProblem([{ issuer: 'https://id.example', audiences: ['trow'], claims: {}, ...entry }])

  test('where anybody can get a token, the owner must be spelled out', () => {
    const hub = (claims: Record<string, string>): string | undefined =>
      problem({ issuer: 'https://token.actions.githubusercontent.com', claims })
    for (const claims of [
      {},
      { ref: 'refs/heads/main' },
      { repository: '*/app' },
      { repository: '**' },
      { repository: 'acme*' },
      { repository: 'acme' },
      { repository_owner: '*' },
      { repository_owner: 'acme*' },
      { sub: 'repo:acme/*' },
    ] as Record<string, string>[])
      assert.match(hub(claims) ?? '', /anybody can get a token/, JSON.stringify(claims))
    for (const claims of [
      { repository: 'acme/*' },
      { repository_owner: 'acme' },
      { repository_id: '7' },
    ] as Record<string, string>[])
      assert.equal(hub(claims), undefined)
    assert.match(problem({ issuer: 'https://gitlab.com' }) ?? '', /project_path/)
    assert.equal(problem({ issuer: 'https://gitlab.com', claims: { project_path: 'acme/**' } }), undefined)
    assert.equal(problem({ issuer: 'https://gitlab.example' }), undefined)
  })

  test('no prefix can make names of another kind', () => {
    for (const prefix of ['system:', 'system:x:', '', 'sys', 'system', 'robot+', 'robot+a:', ':'])
      assert.notEqual(problem({ prefix }), undefined, prefix)
    assert.equal(problem({ prefix: 'ci:' }), undefined)
  })

  test('https, an audience, and a prefix for each issuer', () => {
    assert.match(problem({ issuer: 'http://id.example' }) ?? '', /https/)
    assert.match(problem({ issuer: 'nonsense' }) ?? '', /no URL/)
    assert.match(problem({ issuer: 'https://a:b@id.example' }) ?? '', /no URL/)
    assert.match(problem({ audiences: [] }) ?? '', /audience/)
    const two = ['https://a.example', 'https://b.example'].map((issuer) => ({
      issuer,
      audiences: ['trow'],
      claims: {},
    }))
    assert.match(issuersProblem(two) ?? '', /same prefix/)
  })
})
