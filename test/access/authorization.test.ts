import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAuthorization } from '../../src/access/authorization.ts'
import { nodeOf } from '../../src/access/node-certificates.ts'
import type { Principal } from '../../src/access/principal.ts'

test('an Authorization header is Basic or Bearer, or nothing', () => {
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`
  assert.deepEqual(parseAuthorization(basic('a:b:c')), { kind: 'basic', username: 'a', password: 'b:c' })
  assert.deepEqual(parseAuthorization('bearer abc.def'), { kind: 'bearer', token: 'abc.def' })
  const bad = ['', 'Basic', 'Basic ', basic('nocolon'), basic('a:b\n'), 'Digest x', 'Bearer a b', 'Bearer ä']
  for (const header of bad) assert.equal(parseAuthorization(header), undefined, header)
})

test('only a token of an agent that is bound to one node vouches for it', () => {
  const node = 'authentication.kubernetes.io/node-name'
  const agent: Principal = {
    kind: 'kubernetes',
    name: 'system:serviceaccount:trow-node:trow-node',
    groups: [],
    reviewable: true,
    uid: 'a1',
    extra: { [node]: ['n1'], 'authentication.kubernetes.io/node-uid': ['u1'] },
  }
  const agents = ['trow-node:trow-node']
  assert.deepEqual(nodeOf(agent, agents), {
    name: 'n1',
    uid: 'u1',
    account: { namespace: 'trow-node', name: 'trow-node', uid: 'a1' },
  })
  assert.equal(nodeOf({ ...agent, name: 'system:serviceaccount:trow-node:other' }, agents), undefined)
  assert.equal(nodeOf({ ...agent, kind: 'oidc' }, agents), undefined)
  assert.equal(nodeOf({ ...agent, extra: {} }, agents), undefined)
  assert.equal(nodeOf({ ...agent, extra: { [node]: ['n1', 'n2'] } }, agents), undefined)
})
