import assert from 'node:assert/strict'
import { webcrypto, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { checkAuthority } from '../../src/certificates/authority-check.ts'
import { issueLeaf, makeAuthority } from '../../src/certificates/certificate-authority.ts'
import { parseConstraints, permits, readConstraints } from '../../src/certificates/constrained-names.ts'
import { encodeNameConstraints } from '../../src/certificates/name-constraints.ts'
import { UserError } from '../../src/user-error.ts'

const crypto = webcrypto as Crypto
const now = Date.now()
const authority = await makeAuthority(['registry.example.com'], ['203.0.113.7'], crypto)

test('a CA is taken for the hosts that its name constraints cover', () => {
  for (const host of [
    'registry.example.com',
    'a.registry.example.com',
    'REGISTRY.example.com',
    'localhost',
    'host.docker.internal',
    '127.0.0.1',
    '10.1.2.3',
    '203.0.113.7',
    '::1',
    'fd12::3',
  ]) {
    checkAuthority(authority.cert, host, now)
  }
  for (const host of [
    'example.com',
    'notregistry.example.com',
    'docker.io',
    '203.0.113.8',
    '8.8.8.8',
    '2001:db8::1',
  ]) {
    refused('CA_OTHER_HOSTS', authority.cert, host)
  }
})

test('what is no CA, is out of its time, or brings its key along is refused', async () => {
  const leaf = await issueLeaf(authority, { names: ['localhost'], life: 3_600_000 }, crypto)
  refused('CA_INVALID', leaf.cert.slice(0, leaf.cert.indexOf('-----END') + 26), 'localhost')
  refused('CA_INVALID', '', 'localhost')
  refused('CA_INVALID', 'no PEM at all', 'localhost')
  refused('CA_INVALID', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', 'localhost')
  refused('CA_INVALID', `${authority.cert}${authority.key}`, 'localhost')
  refused('CA_EXPIRED', authority.cert, 'localhost', now + 11 * 365 * 86_400_000)
  refused('CA_EXPIRED', authority.cert, 'localhost', now - 2 * 86_400_000)
})

test('of a bundle one must cover the host, and all must be CAs', async () => {
  const other = await makeAuthority(['other.example.com'], [], crypto)
  const leaf = await issueLeaf(authority, { names: ['localhost'], life: 3_600_000 }, crypto)
  checkAuthority(`${authority.cert}${other.cert}`, 'other.example.com', now)
  refused('CA_INVALID', `${authority.cert}${leaf.cert}`, 'localhost')
})

test('constraints are read from the whole certificate as from the extension', () => {
  const read = readConstraints(new X509Certificate(authority.cert).raw)
  assert.deepEqual(read?.permitted.names, ['registry.example.com', 'localhost', 'host.docker.internal'])
  assert.deepEqual(read?.excluded.names, [])
})

test('parse(encode(x)) permits x and what is below it; whatever else comes throws only RangeError', () => {
  const label = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/)
  fc.assert(
    fc.property(fc.array(label, { minLength: 1, maxLength: 4 }), fc.ipV4(), (labels, address) => {
      const name = labels.join('.')
      const constraints = parseConstraints(encodeNameConstraints([name], [`${address}/32`]))
      assert.ok(permits(constraints, name) && permits(constraints, `below.${name}`))
      assert.ok(permits(constraints, address))
      assert.ok(!permits(constraints, `not${name}`))
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      for (const parse of [parseConstraints, readConstraints]) {
        try {
          parse(bytes)
        } catch (error) {
          assert.ok(error instanceof RangeError, String(error))
        }
      }
    }),
    { numRuns: 2000 },
  )
})

test('excluded names win, and a leading dot makes no difference', () => {
  const tree = (tag: number, name: string): Buffer => {
    const base = Buffer.concat([Buffer.from([0x82, name.length]), Buffer.from(name)])
    const subtree = Buffer.concat([Buffer.from([0x30, base.length]), base])
    return Buffer.concat([Buffer.from([tag, subtree.length]), subtree])
  }
  const lists = Buffer.concat([tree(0xa0, '.example.com'), tree(0xa1, 'bad.example.com')])
  const constraints = parseConstraints(Buffer.concat([Buffer.from([0x30, lists.length]), lists]))
  assert.ok(permits(constraints, 'good.example.com'))
  assert.ok(!permits(constraints, 'bad.example.com'))
  assert.ok(!permits(constraints, 'a.bad.example.com'))
  assert.ok(permits(constraints, '10.0.0.1'))
})

function refused(code: string, pem: string, host: string, at = now): void {
  assert.throws(
    () => checkAuthority(pem, host, at),
    (error) => error instanceof UserError && error.code === code,
    `${code} ${host}`,
  )
}
