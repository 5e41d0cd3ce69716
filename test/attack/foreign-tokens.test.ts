import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import fc from 'fast-check'
import { readUnverified } from '../../src/access/unverified-token.ts'
import type { GatedServer } from '../support/gated-server.ts'
import { basic, exchange, getToken } from '../support/ways.ts'
import {
  forged,
  issuer,
  startInCluster,
  startSigningCluster,
  type SigningCluster,
} from './signing-cluster.ts'

const later = Math.floor(Date.now() / 1000) + 3600
const odd: readonly unknown[] = [
  { toString: 1 },
  { valueOf: null },
  { __proto__: null, constructor: 1 },
  [],
  [[]],
  null,
  0,
  -1,
  1e308,
  true,
  '',
  'x'.repeat(5000),
  '\u0000',
  ['trow', { toString: 1 }],
]
const headerNames = ['alg', 'kid', 'typ', 'crit', 'b64', 'jwk', 'jku', 'x5c', 'x5t', 'cty', 'enc', 'zip']
const claimNames = ['iss', 'aud', 'exp', 'nbf', 'iat', 'sub', 'jti', 'principal', 'kubernetes.io', 'groups']

suite('tokens of others', { timeout: 120_000 }, () => {
  let cluster: SigningCluster
  let gated: GatedServer
  const folder = mkdtempSync(join(tmpdir(), 'trow-tokens-'))
  before(async () => {
    cluster = await startSigningCluster()
    const oidc = [{ issuer: `${cluster.api.url}/oidc`, audience: 'trow', claims: { sub: '*' } }]
    gated = await startInCluster(cluster, folder, {
      'api-server-tokens': true,
      oidc,
      'trusted-proxies': ['127.0.0.1'],
    })
  })
  after(async () => {
    await gated.close()
    await cluster.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Presents the token in every way that the registry accepts. */
  async function show(token: string): Promise<number[]> {
    const form = (fields: Record<string, string>): Promise<{ status: number }> =>
      exchange(gated.url, {
        method: 'POST',
        path: '/token',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ service: 'trow', ...fields }).toString(),
      })
    const replies = await Promise.all([
      exchange(gated.url, { method: 'GET', path: '/v2/', headers: { authorization: `Bearer ${token}` } }),
      exchange(gated.url, { method: 'GET', path: '/token', headers: { authorization: basic('x', token) } }),
      form({ grant_type: 'password', username: 'x', password: token }),
      form({ grant_type: 'refresh_token', refresh_token: token }),
    ])
    return replies.map(({ status }) => status)
  }

  test('whatever stands in a header or a claim, it is a refusal', async () => {
    const refused = new Set<number>()
    for (const iss of [issuer, 'trow', `${cluster.api.url}/oidc`, 'https://elsewhere']) {
      const header = { alg: 'ES256', typ: 'JWT', kid: 'cluster-1' }
      const claims = { iss, aud: 'trow', exp: later }
      const tokens = [
        ...headerNames.map((name, at) => forged(claims, { ...header, [name]: odd[at % odd.length] })),
        ...odd.map((value) => forged(claims, { ...header, kid: value })),
        ...claimNames.map((name, at) => forged({ ...claims, [name]: odd[at % odd.length] }, header)),
        ...odd.map((value) => forged({ ...claims, aud: value }, header)),
        forged('[]'),
        forged('null'),
        forged(`${'['.repeat(4000)}`),
        forged(claims, '"text"'),
      ]
      for (const token of tokens) for (const status of await show(token)) refused.add(status)
    }
    assert.deepEqual(
      [...refused].filter((status) => status !== 401 && status !== 429),
      [],
    )
    assert.doesNotMatch(gated.server.output(), /a request failed/)
  })

  test('the refusal of a token that cannot be read is audited', async () => {
    const token = forged(
      { iss: 'trow', aud: 'trow', exp: later },
      { alg: 'ES256', typ: 'JWT', kid: { toString: 1 } },
    )
    const path = '/v2/team/unreadable/tags/list'
    const reply = await exchange(gated.url, {
      method: 'GET',
      path,
      // Each denial has its own address, since many denials of one address are merged.
      headers: { authorization: `Bearer ${token}`, 'x-forwarded-for': '10.1.2.3' },
    })
    assert.equal(reply.status, 401)
    const lines = (): string =>
      readdirSync(join(gated.data, 'audit'))
        .filter((name) => name.endsWith('.jsonl'))
        .map((name) => readFileSync(join(gated.data, 'audit', name), 'utf8'))
        .join('')
    for (let attempt = 0; attempt < 100 && !lines().includes('team/unreadable'); attempt++)
      await new Promise((resolve) => setTimeout(resolve, 50))
    assert.match(lines(), /auth\.denied[^\n]*team\/unreadable/)
  })

  test('a token of ours with another header is none of ours', async () => {
    const { token } = await getToken(gated.url, '', basic('x', await cluster.token()))
    const [, body = '', signature = ''] = token.split('.')
    const heads = [
      { alg: 'ES256', typ: 'JWT', kid: { toString: 1 } },
      { alg: 'ES256', typ: 'JWT', kid: ['x'] },
    ]
    for (const head of heads) {
      const other = `${Buffer.from(JSON.stringify(head)).toString('base64url')}.${body}.${signature}`
      assert.ok((await show(other)).every((status) => status === 401 || status === 429))
    }
  })
})

test('whatever a token is, reading it gives texts and numbers or nothing', () => {
  const value = fc.oneof(fc.jsonValue(), fc.constantFrom(...odd))
  const members = (names: readonly string[]): fc.Arbitrary<Record<string, unknown>> =>
    fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), value)
  fc.assert(
    fc.property(members(headerNames), members(claimNames), fc.boolean(), (header, claims, named) => {
      const read = readUnverified(forged(claims, named ? { alg: 'RS256', ...header } : header))
      if (read === undefined) return
      for (const text of [read.iss, read.kid]) assert.ok(text === undefined || typeof text === 'string')
      assert.ok(read.aud.every((each) => typeof each === 'string'))
      assert.ok(read.exp === undefined || Number.isFinite(read.exp))
    }),
    { numRuns: 3000 },
  )
  fc.assert(fc.property(fc.string(), (text) => void readUnverified(text)))
})
