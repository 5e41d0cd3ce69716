import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import type { Verified } from '../../src/access/authority.ts'
import { bcrypt, hashPassword } from '../../src/access/bcrypt.ts'
import { certificatePrincipal } from '../../src/access/certificates.ts'
import { FailureDelays } from '../../src/access/failures.ts'
import { KubernetesTokens } from '../../src/access/kubernetes-tokens.ts'
import { LocalAuthority } from '../../src/access/local-authority.ts'
import { OwnTokens } from '../../src/access/own-tokens.ts'
import { Passwords } from '../../src/access/passwords.ts'
import { makeRobot, Robots, type Robot } from '../../src/access/robots.ts'
import type { SigningKey } from '../../src/access/authority.ts'
import { Strangers } from '../../src/access/strangers.ts'
import { SigningKeyRing } from '../../src/access/signing-keys.ts'
import { parseRepositoryName } from '../../src/oci/repository-name.ts'

const start = 1_800_000_000_000
const hashed = await hashPassword('right', 4)
const here = '10.0.0.1'
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const jwt = (claims: object): string => `${part({ alg: 'RS256' })}.${part(claims)}.c2ln`

suite('the authority', () => {
  function open({ cluster = true } = {}) {
    const state = { now: start, reviewed: [] as string[], user: 'system:serviceaccount:a:b' }
    const now = (): number => state.now
    const delays = new FailureDelays({ now })
    const rows = new Map<string, Robot>()
    const keys: SigningKey[] = []
    const ring = new SigningKeyRing({
      store: {
        signingKeys: () => Promise.resolve(keys),
        rotateSigningKey: (key) => Promise.resolve(void keys.push(key)),
      },
      now,
    })
    const passwords = new Passwords({
      users: new Map([['alice', hashed]]),
      bcrypt,
      delays,
      now,
      key: new Uint8Array(32),
    })
    let ids = 0
    const ownTokens = new OwnTokens({
      issuer: 'trow',
      service: 'trow',
      signingKeys: () => ring.keys(),
      now,
      newId: () => String(++ids),
    })
    const authority = new LocalAuthority({
      now,
      strangers: new Strangers({ now, known: { knows: () => false, saw: () => undefined } }),
      ring,
      ownTokens,
      passwords,
      robots: new Robots({ store: { findRobot: (name) => Promise.resolve(rows.get(name)) }, delays, now }),
      kubernetes: cluster
        ? new KubernetesTokens({
            cluster: {
              reviewToken: (token) => {
                state.reviewed.push(token)
                return Promise.resolve(
                  token.includes('bad') || state.user === ''
                    ? { authenticated: false, reason: '' }
                    : { authenticated: true, user: { name: state.user, groups: [] }, audiences: ['trow'] },
                )
              },
              reviewAccess: () => Promise.reject(new Error('not asked here')),
            },
            now,
            apiServerTokens: true,
          })
        : undefined,
      oidc: () => undefined,
      reviews: undefined,
      nodes: undefined,
    })
    const issue = async (principal: Verified, refresh = false) => {
      assert.ok(principal.ok)
      return ownTokens.issue(principal.principal, { service: 'trow', refresh, scopes: [] })
    }
    const basic = (username: string, password: string, source = here): Promise<Verified> =>
      authority.verify({ kind: 'basic', username, password }, source)
    return { state, authority, rows, passwords, issue, basic }
  }
  const nameOf = (verified: Verified): string => {
    assert.ok(verified.ok, JSON.stringify(verified))
    return `${verified.principal.kind} ${verified.principal.name}`
  }

  test('each credential goes to the one that knows it', async () => {
    const { basic, authority, rows, issue, state } = open()
    const { robot, secret } = makeRobot(
      {
        name: 'ci',
        description: undefined,
        grants: [{ repositories: ['a'], actions: ['pull'] }],
        expiresAt: undefined,
      },
      { now: start, random: randomBytes(40) },
    )
    rows.set('ci', robot)
    const alice = await basic('alice', 'right')
    assert.equal(nameOf(alice), 'password alice')
    assert.equal(nameOf(await basic('robot+ci', secret)), 'robot robot+ci')
    assert.equal(state.reviewed.length, 0)
    const token = jwt({ iss: 'https://kubernetes', aud: 'trow' })
    assert.equal(nameOf(await basic('whoever', token)), 'kubernetes system:serviceaccount:a:b')
    assert.equal(
      nameOf(await authority.verify({ kind: 'bearer', token }, here)),
      'kubernetes system:serviceaccount:a:b',
    )
    assert.deepEqual(state.reviewed, [token])
    assert.match(nameOf(await basic('AWS', 'k8s-aws-v1.abc')), /^kubernetes/)
    const own = await issue(alice)
    for (const refused of [
      await authority.verify({ kind: 'bearer', token: own.token }, here),
      await basic('<token>', own.token),
    ])
      assert.ok(!refused.ok, 'workers judge it as Bearer, and it is no password')
    assert.equal(state.reviewed.length, 2)
  })

  test('a refresh token is no credential for requests, an access token none for refreshing', async () => {
    const { basic, authority, issue } = open()
    const { token, refreshToken = '' } = await issue(await basic('alice', 'right'), true)
    assert.equal(
      nameOf(await authority.verify({ kind: 'refresh', token: refreshToken }, here)),
      'password alice',
    )
    for (const credential of [
      { kind: 'bearer', token: refreshToken },
      { kind: 'basic', username: 'alice', password: refreshToken },
      { kind: 'refresh', token },
      { kind: 'refresh', token: 'nonsense' },
    ] as const)
      assert.ok(!(await authority.verify(credential, here)).ok)
  })

  test('a refresh token falls with the password or the robot that it was given for', async () => {
    const { basic, authority, issue, passwords, rows } = open()
    const grants = [{ repositories: ['a'], actions: ['pull'] as const }]
    const make = (): { robot: Robot; secret: string } =>
      makeRobot(
        { name: 'ci', description: undefined, grants, expiresAt: undefined },
        { now: start, random: randomBytes(40) },
      )
    const { robot, secret } = make()
    rows.set('ci', robot)
    const refresh = async (token: string | undefined): Promise<Verified> =>
      authority.verify({ kind: 'refresh', token: token ?? '' }, here)
    const ofAlice = (await issue(await basic('alice', 'right'), true)).refreshToken
    const ofRobot = (await issue(await basic('robot+ci', secret), true)).refreshToken
    assert.ok((await refresh(ofAlice)).ok)
    assert.ok((await refresh(ofRobot)).ok)
    rows.set('ci', make().robot)
    passwords.replace(new Map([['alice', await hashPassword('right', 4)]]))
    for (const token of [ofAlice, ofRobot]) {
      const answer = await refresh(token)
      assert.ok(!answer.ok)
      assert.match(answer.reason, /gone or was changed/)
    }
  })

  test('names of others are refused, whoever vouches for them', async () => {
    const { authority, state } = open()
    for (const user of ['robot+ci', 'system:anonymous']) {
      state.user = user
      const answer = await authority.verify({ kind: 'bearer', token: jwt({ aud: 'trow', n: user }) }, here)
      assert.ok(!answer.ok && answer.kind === 'refused', user)
    }
  })

  test('one source may put only so many wrong tokens to the cluster; known good ones pass', async () => {
    const { authority, state } = open()
    const good = jwt({ aud: 'trow' })
    assert.ok((await authority.verify({ kind: 'bearer', token: good }, here)).ok)
    state.user = ''
    let last: Verified | undefined
    for (let n = 0; n < 21; n++)
      last = await authority.verify({ kind: 'bearer', token: jwt({ aud: 'trow', n }) }, here)
    assert.ok(last !== undefined && !last.ok && last.kind === 'throttled')
    assert.equal(state.reviewed.length, 21)
    assert.ok((await authority.verify({ kind: 'bearer', token: good }, here)).ok)
    state.now += 8000
    state.user = 'system:serviceaccount:a:b'
    assert.ok((await authority.verify({ kind: 'bearer', token: good }, here)).ok, 'asked about again, freely')
    assert.equal(state.reviewed.length, 22)
  })

  test('what is not configured is refused in words, and no refusal shows a credential', async () => {
    const { authority, basic } = open({ cluster: false })
    const token = jwt({ aud: 'trow', canary: 'c4n4ry' })
    const answers = await Promise.all([
      authority.verify({ kind: 'bearer', token }, here),
      basic('alice', token),
      basic('alice', 'c4n4ry'),
      basic('robot+c4', 'trow_c4n4ry'),
      authority.verify({ kind: 'bearer', token: 'c4n4ry' }, here),
      authority.verify({ kind: 'refresh', token: 'c4n4ry' }, here),
    ])
    for (const answer of answers) {
      assert.ok(!answer.ok && answer.kind === 'refused')
      assert.ok(!JSON.stringify(answer).includes('c4n4ry') && !JSON.stringify(answer).includes(token))
    }
    const principal = { kind: 'kubernetes', name: 'x', groups: [], reviewable: true } as const
    const review = await authority.review(principal, 'pull', parseRepositoryName('a'))
    assert.ok(review.kind === 'answered' && !review.allowed)
    assert.equal((await authority.signingKeys()).all.length, 1)
  })
})

suite('client certificates', () => {
  const shown = { commonName: 'jane', organizations: ['dev'], serial: '0a', issuer: 'cluster' } as const

  test("the cluster's CA vouches for people and kubelets as the API server reads them", () => {
    const jane = certificatePrincipal({ ...shown, validTo: start })
    assert.ok(jane.ok)
    assert.deepEqual(jane.principal, {
      kind: 'certificate',
      name: 'jane',
      groups: ['dev', 'system:authenticated'],
      reviewable: true,
      credentialId: '0a',
      expiresAt: start,
    })
    const node = { ...shown, commonName: 'system:node:n1', organizations: ['system:nodes'] }
    const kubelet = certificatePrincipal(node)
    assert.ok(kubelet.ok && kubelet.principal.kind === 'node-certificate')
  })

  test('our own CA vouches for one node and for nothing else', () => {
    const node = {
      ...shown,
      commonName: 'system:node:n1',
      organizations: ['system:nodes'],
      issuer: 'trow',
    } as const
    assert.ok(certificatePrincipal(node).ok)
    for (const wrong of [
      { commonName: 'jane' },
      { commonName: 'system:node:' },
      { organizations: [] },
      { organizations: ['system:masters'] },
      { organizations: ['system:nodes', 'system:masters'] },
    ])
      assert.ok(!certificatePrincipal({ ...node, ...wrong }).ok, JSON.stringify(wrong))
  })

  test('names of others and of nobody are refused', () => {
    for (const commonName of ['', 'robot+ci', 'system:anonymous'])
      assert.ok(!certificatePrincipal({ ...shown, commonName }).ok, commonName)
    assert.ok(!certificatePrincipal({ ...shown, organizations: ['system:unauthenticated'] }).ok)
  })
})
