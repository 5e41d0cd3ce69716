import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { calculateJwkThumbprint, exportJWK, importPKCS8, importSPKI, jwtVerify, SignJWT } from 'jose'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import type { SigningKey, SigningKeys } from '../../src/access/authority.ts'
import { OwnTokens } from '../../src/access/own-tokens.ts'
import { anonymous, type Principal } from '../../src/access/principal.ts'
import { makeSigningKey, SigningKeyRing, type SigningKeyStore } from '../../src/access/signing-keys.ts'
import { TokenSigner, TokenVerifier } from '../../src/access/token-format.ts'
import { OciError } from '../../src/oci/oci-error.ts'

const start = 1_800_000_000_000
const day = 24 * 3_600_000
const names = { issuer: 'trow', service: 'registry.example' }
const alice: Principal = {
  kind: 'password',
  name: 'alice',
  groups: [],
  reviewable: false,
  credentialId: 'abc',
}
const keysOf = (...all: SigningKey[]): SigningKeys => ({
  current: all[0] as SigningKey,
  all,
  until: start + 300_000,
})
const key = makeSigningKey(start)
const publicPem = createPublicKey(createPrivateKey(key.privateKey)).export({
  type: 'spki',
  format: 'pem',
}) as string

suite('the format of our tokens', () => {
  const signer = new TokenSigner(names, keysOf(key))
  const verifier = new TokenVerifier(names, keysOf(key))
  const claims = { id: 'id-1', now: start, expiresAt: start + 300_000 }

  test('what is signed is verified, with the principal as it was', () => {
    fc.assert(
      fc.property(
        fc.record(
          {
            kind: fc.constantFrom('kubernetes' as const, 'oidc' as const, 'robot' as const),
            name: fc.string({ unit: 'grapheme' }),
            groups: fc.array(fc.string()),
            reviewable: fc.boolean(),
          },
          { noNullPrototype: true },
        ),
        (principal) => {
          const verdict = verifier.verify('access', signer.sign('access', principal, claims), start)
          assert.deepEqual(verdict, {
            ok: true,
            principal,
            expiresAt: start + 300_000,
            id: 'id-1',
            scopes: [],
          })
        },
      ),
      { numRuns: 50 },
    )
  })

  test('another implementation of JWT takes them, and the key id is the thumbprint', async () => {
    const token = signer.sign('access', alice, claims)
    const { payload, protectedHeader } = await jwtVerify(token, await importSPKI(publicPem, 'ES256'), {
      issuer: names.issuer,
      audience: names.service,
      typ: 'JWT',
      currentDate: new Date(start),
      requiredClaims: ['exp', 'nbf', 'iat', 'jti', 'sub'],
    })
    assert.equal(payload.sub, 'alice')
    assert.equal(protectedHeader.kid, key.id)
    const jwk = await exportJWK(createPublicKey(createPrivateKey(key.privateKey)))
    assert.equal(await calculateJwkThumbprint(jwk), key.id)
  })

  test('an access token is no refresh token, and the other way round', () => {
    const access = signer.sign('access', alice, claims)
    const refresh = signer.sign('refresh', alice, claims)
    assert.ok(verifier.verify('refresh', refresh, start).ok)
    assert.ok(!verifier.verify('refresh', access, start).ok)
    assert.ok(!verifier.verify('access', refresh, start).ok)
  })

  test('it ends to the second; only its beginning has leeway', () => {
    const token = signer.sign('access', alice, claims)
    assert.ok(verifier.verify('access', token, start + 299_999).ok)
    const late = verifier.verify('access', token, start + 300_000)
    assert.ok(!late.ok)
    assert.equal(late.reason, 'the token has expired')
    assert.ok(verifier.verify('access', token, start - 60_000).ok)
    assert.ok(!verifier.verify('access', token, start - 61_001).ok)
  })

  test('a key that is not known is told from a wrong signature', () => {
    const other = new TokenSigner(names, keysOf(makeSigningKey(start)))
    const verdict = verifier.verify('access', other.sign('access', alice, claims), start)
    assert.ok(!verdict.ok && verdict.unknownKey)
    const forged = new TokenSigner(names, keysOf({ ...makeSigningKey(start), id: key.id }))
    const wrong = verifier.verify('access', forged.sign('access', alice, claims), start)
    assert.ok(!wrong.ok && !wrong.unknownKey)
    assert.equal(wrong.reason, 'its signature is wrong')
  })

  test('whatever another implementation signs or refuses, we take no more than it does', async () => {
    const [privateKey, publicKey] = [
      await importPKCS8(key.privateKey, 'ES256'),
      await importSPKI(publicPem, 'ES256'),
    ]
    const mostly = <Value>(right: Value, ...wrong: unknown[]): fc.Arbitrary<unknown> =>
      fc.oneof(
        { weight: 5, arbitrary: fc.constant(right) },
        { weight: 1, arbitrary: fc.constantFrom(...wrong) },
      )
    const claim = fc.record({
      iss: mostly('trow', 'other', 1, undefined),
      aud: mostly(names.service, `${names.service}#refresh`, ['x', names.service], 'x', undefined),
      exp: mostly(start / 1000 + 300, start / 1000, start / 1000 - 1, 'soon', undefined),
      nbf: mostly(start / 1000, start / 1000 + 59, start / 1000 + 61, 'x', undefined),
      jti: mostly('id', 7, undefined),
      principal: mostly(alice, { ...alice, kind: 'root' }, null),
    })
    const header = fc.record({
      typ: mostly('JWT', 'trow-refresh+jwt', 'jwt', undefined),
      kid: mostly(key.id, 'x'),
    })
    let taken = 0
    await fc.assert(
      fc.asyncProperty(claim, header, fc.nat(400), async (payload, extra, flip) => {
        const made = await new SignJWT(payload as never)
          .setProtectedHeader({ alg: 'ES256', ...(extra as object) })
          .sign(privateKey)
        const at = flip * 3
        const token =
          at < made.length ? `${made.slice(0, at)}${made[at] === 'A' ? 'B' : 'A'}${made.slice(at + 1)}` : made
        for (const text of [made, token]) {
          const ours = verifier.verify('access', text, start)
          if (!ours.ok) continue
          taken++
          await jwtVerify(text, publicKey, {
            issuer: names.issuer,
            audience: names.service,
            typ: 'JWT',
            currentDate: new Date(start),
            clockTolerance: 60,
          })
        }
      }),
      { numRuns: 400 },
    )
    assert.ok(taken > 50)
  })

  test('no text makes it throw, and no other way to write a token is taken', () => {
    const token = signer.sign('access', alice, claims)
    fc.assert(fc.property(fc.string(), (text) => assert.ok(!verifier.verify('access', text, start).ok)))
    const [head = '', body = '', signature = ''] = token.split('.')
    const none = Buffer.from('{"alg":"none","typ":"JWT","kid":"x"}').toString('base64url')
    for (const text of [
      `${token}.`,
      `${token}=`,
      ` ${token}`,
      `${head}.${body}.`,
      `${none}.${body}.`,
      `${none}.${body}.${signature}`,
      `${head}.${body}.${signature.slice(0, -1)}`,
      token.replaceAll('-', '+').replaceAll('_', '/') === token
        ? `${token}=`
        : token.replaceAll('_', '/').replaceAll('-', '+'),
    ])
      assert.ok(!verifier.verify('access', text, start).ok, text)
  })
})

/** A store that behaves as the SQL store, shared by the rings of several replicas. */
class Store implements SigningKeyStore {
  all: SigningKey[] = []
  broken = false

  signingKeys(): Promise<readonly SigningKey[]> {
    if (this.broken) return Promise.reject(new Error('disk full'))
    return Promise.resolve(this.all.toSorted((a, b) => b.createdAt - a.createdAt))
  }

  rotateSigningKey(
    each: SigningKey,
    { rotateAfter, forgetAfter }: { rotateAfter: number; forgetAfter: number },
  ): Promise<void> {
    if (!this.all.some(({ createdAt }) => createdAt > each.createdAt - rotateAfter)) this.all.push(each)
    const followers = this.all
      .map(({ createdAt }) => createdAt)
      .filter((at) => at < each.createdAt - forgetAfter)
    this.all = this.all.filter(({ createdAt }) => createdAt >= Math.max(...followers))
    return Promise.resolve()
  }
}

suite('the ring of signing keys', () => {
  test('the first start makes one; two replicas agree; one a day; a new one is known before it signs', async () => {
    let now = start
    const store = new Store()
    const [one, two] = [0, 1].map(() => new SigningKeyRing({ store, now: () => now })) as [
      SigningKeyRing,
      SigningKeyRing,
    ]
    const [first, same] = await Promise.all([one.keys(), two.keys()])
    assert.equal(first.current.id, same.current.id)
    assert.ok(first.until > now && first.until <= now + 5 * 60_000)
    now += day
    const rotated = await one.keys()
    assert.equal(rotated.all.length, 2)
    assert.equal(rotated.current.id, first.current.id)
    // A replica that read just before the rotation reads again before the new key signs.
    assert.ok(rotated.until <= now + 5 * 60_000)
    now += 6 * 60_000
    const later = await two.keys()
    assert.notEqual(later.current.id, first.current.id)
    assert.equal(later.all.length, 2)
  })

  test('an old key stays until its last refresh token has ended, and then goes', async () => {
    let now = start
    const store = new Store()
    const ring = new SigningKeyRing({ store, now: () => now })
    const first = (await ring.keys()).current.id
    for (let n = 1; n <= 31; n++) {
      now = start + n * day
      assert.ok(
        (await ring.keys()).all.some(({ id }) => id === first),
        String(n),
      )
    }
    now += 2 * day
    assert.ok(!(await ring.keys()).all.some(({ id }) => id === first))
    assert.ok(store.all.length <= 34)
  })

  test('a key that went on signing, as nobody asked for days, stays as long as its last token', async () => {
    let now = start
    const store = new Store()
    const ring = new SigningKeyRing({ store, now: () => now })
    await ring.keys()
    now += 5 * day
    const { current } = await ring.keys()
    assert.equal(current.createdAt, start, 'the new one is not known everywhere yet')
    const signer = new TokenSigner(names, keysOf(current))
    const token = signer.sign('refresh', alice, { id: 'id', now, expiresAt: now + 30 * day })
    for (const end = now + 30 * day; now < end; now += day) {
      const { all } = await ring.keys()
      assert.ok(
        new TokenVerifier(names, keysOf(...all)).verify('refresh', token, now).ok,
        String(now - start),
      )
    }
  })

  test('a store that fails keeps nobody from signing with the key of yesterday', async () => {
    let now = start
    const store = new Store()
    const ring = new SigningKeyRing({ store, now: () => now })
    const first = await ring.keys()
    store.broken = true
    now += 2 * day
    const old = await ring.keys()
    assert.equal(old.current.id, first.current.id)
    assert.equal(old.until, now + 60_000)
    await assert.rejects(new SigningKeyRing({ store, now: () => now }).keys())
  })
})

suite('our token service', () => {
  function open() {
    const state = { now: start, asked: 0, ids: 0 }
    const store = new Store()
    const ring = new SigningKeyRing({ store, now: () => state.now })
    const make = (): OwnTokens =>
      new OwnTokens({
        ...names,
        signingKeys: () => {
          state.asked++
          return ring.keys()
        },
        now: () => state.now,
        newId: () => `id-${++state.ids}`,
      })
    return { state, store, make, tokens: make() }
  }
  const plain = { service: names.service, refresh: false, scopes: [] }

  test('an equal caller gets the same token for a minute, and never one that ends within another', async () => {
    const { tokens, state } = open()
    const first = await tokens.issue(alice, plain)
    assert.equal(first.expiresIn, 290)
    state.now += 59_000
    const same = await tokens.issue({ ...alice }, plain)
    assert.equal(same.token, first.token)
    assert.equal(same.expiresIn, 231)
    assert.notEqual((await tokens.issue({ ...alice, credentialId: 'new' }, plain)).token, first.token)
    state.now += 2000
    assert.notEqual((await tokens.issue(alice, plain)).token, first.token)
    assert.equal(state.asked, 1)
  })

  test('no token outlives the credential', async () => {
    const { tokens, state } = open()
    const brief = { ...alice, expiresAt: state.now + 90_000 }
    assert.equal((await tokens.issue(brief, plain)).expiresIn, 90)
    const issued = await tokens.issue(brief, { ...plain, refresh: true })
    const refresh = await tokens.verify('refresh', issued.refreshToken ?? '')
    assert.ok(refresh.ok)
    assert.equal(refresh.expiresAt, brief.expiresAt)
  })

  test('who gets a refresh token, and for how long', async () => {
    const { tokens, state } = open()
    const lasting = async (kind: Principal['kind']): Promise<number | undefined> => {
      const { refreshToken } = await tokens.issue({ ...alice, kind }, { ...plain, refresh: true })
      if (refreshToken === undefined) return undefined
      const verdict = await tokens.verify('refresh', refreshToken)
      assert.ok(verdict.ok)
      return verdict.expiresAt - state.now
    }
    assert.equal(await lasting('password'), 30 * day)
    assert.equal(await lasting('robot'), 30 * day)
    for (const kind of ['certificate', 'kubernetes', 'oidc', 'node-certificate'] as const)
      assert.equal(await lasting(kind), undefined)
    assert.equal((await tokens.issue(anonymous, { ...plain, refresh: true })).refreshToken, undefined)
    assert.equal((await tokens.issue(alice, plain)).refreshToken, undefined)
  })

  /** A token of a key that another process has stored just now. */
  const newcomer = (store: Store, now: number): string => {
    const made = makeSigningKey(now + 1)
    store.all.push(made)
    const claims = { id: 'x', now, expiresAt: now + 60_000 }
    return new TokenSigner(names, { current: made, all: [made], until: 0 }).sign('access', alice, claims)
  }

  test('answers come at once, and a token of a key that another process has just made is taken at once', async () => {
    const { tokens, state, store } = open()
    const { token } = await tokens.issue(alice, plain)
    const verdict = tokens.verify('access', token)
    assert.ok(!(verdict instanceof Promise) && verdict.ok)
    for (let n = 0; n < 3; n++) {
      const stranger = newcomer(store, state.now)
      assert.ok((await tokens.verify('access', stranger)).ok)
      assert.ok(!(tokens.verify('access', stranger) instanceof Promise), 'it is known now')
    }
  })

  test('a key that is stored while the keys are read is seen: the token waits for a read that begins later', async () => {
    const { store, state, make } = open()
    await make().issue(alice, plain)
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    let reads = -2
    const slow: SigningKeyStore = {
      async signingKeys() {
        const seen = [...store.all]
        await gates[reads++]?.promise
        return seen.toSorted((a, b) => b.createdAt - a.createdAt)
      },
      rotateSigningKey: (key, ages) => store.rotateSigningKey(key, ages),
    }
    const ring = new SigningKeyRing({ store: slow, now: () => state.now })
    const readers = [0, 1].map(
      () =>
        new OwnTokens({ ...names, signingKeys: () => ring.keys(), now: () => state.now, newId: () => 'id' }),
    ) as [OwnTokens, OwnTokens]
    for (const each of readers) await each.issue(alice, plain)
    assert.equal(reads, 0)
    state.now += 5 * 60_000
    const first = readers[0].issue(alice, plain)
    state.now -= 5 * 60_000
    await new Promise(setImmediate)
    assert.equal(reads, 1)
    const stranger = newcomer(store, state.now)
    const verdict = readers[1].verify('access', stranger)
    gates[0]?.resolve()
    await first
    gates[1]?.resolve()
    assert.ok((await verdict).ok)
  })

  test('a flood of tokens with unknown keys causes a few reads, and a right one among them is taken', async () => {
    const { tokens, state, store } = open()
    await tokens.issue(alice, plain)
    state.asked = 0
    const forged = (): string => {
      const made = makeSigningKey(state.now)
      const claims = { id: 'x', now: state.now, expiresAt: state.now + 60_000 }
      return new TokenSigner(names, keysOf(made)).sign('access', alice, claims)
    }
    const flood: Promise<{ readonly ok: boolean }>[] = []
    for (let wave = 0; wave < 50; wave++) {
      for (let n = 0; n < 5; n++) flood.push((async () => tokens.verify('access', forged()))())
      await new Promise(setImmediate)
    }
    const stranger = newcomer(store, state.now)
    assert.ok((await tokens.verify('access', stranger)).ok)
    assert.ok((await Promise.all(flood)).every(({ ok }) => !ok))
    assert.ok(state.asked < 10, String(state.asked))
  })

  test('while the keys cannot be read, nobody is told that a token with an unknown key is wrong', async () => {
    const { tokens, state, store } = open()
    await tokens.issue(alice, plain)
    const stranger = newcomer(store, state.now)
    store.broken = true
    await assert.rejects(async () => tokens.verify('access', stranger), { code: 'UNAVAILABLE' })
    store.broken = false
    assert.ok((await tokens.verify('access', stranger)).ok)
  })

  test('another service is refused, and without keys it is unavailable', async () => {
    const { tokens, store, state } = open()
    await assert.rejects(tokens.issue(alice, { service: 'other', refresh: false, scopes: [] }), {
      code: 'REQUEST_INVALID',
    })
    store.broken = true
    await assert.rejects(tokens.issue(alice, plain), (error) => {
      assert.ok(error instanceof OciError)
      assert.equal(error.code, 'UNAVAILABLE')
      assert.equal(error.headers['Retry-After'], '5')
      return true
    })
    store.broken = false
    assert.equal((await tokens.issue(alice, plain)).issuedAt.getTime(), state.now)
  })

  test('what says that it is ours is ours to judge, other tokens are not', async () => {
    const { tokens } = open()
    const { token } = await tokens.issue(alice, plain)
    assert.ok(tokens.claims(token))
    assert.ok(!tokens.claims('x.y.z'))
    const other = new TokenSigner({ ...names, issuer: 'kubernetes' }, keysOf(key))
    assert.ok(!tokens.claims(other.sign('access', alice, { id: 'x', now: start, expiresAt: start + 1 })))
  })
})
