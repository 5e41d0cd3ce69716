import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAuthorization } from '../../src/access/authorization.ts'
import { certificatePrincipal } from '../../src/access/certificate-principal.ts'
import { nodeOf } from '../../src/access/node-certificates.ts'
import type { Principal } from '../../src/access/principal.ts'

const certificate = { organizations: ['dev'], serial: '0A', issuer: 'cluster' as const }

test("the cluster's CA names people and nodes as Kubernetes does", () => {
  const jane = certificatePrincipal({ ...certificate, commonName: 'jane' })
  assert.deepEqual([jane?.name, jane?.groups], ['jane', ['dev', 'system:authenticated']])
  const node = certificatePrincipal({
    ...certificate,
    commonName: 'system:node:n1',
    organizations: ['system:nodes'],
  })
  assert.deepEqual(node?.groups, ['system:nodes', 'system:authenticated'])
  assert.equal(certificatePrincipal({ ...certificate, commonName: 'system:anonymous' }), undefined)
})

test("trow's own CA vouches only for nodes, whatever else a certificate says", () => {
  const issuer = 'trow' as const
  for (const commonName of [
    'jane',
    'trow',
    'system:node:',
    'system:masters',
    'system:node:a b',
    'xsystem:node:n1',
  ])
    assert.equal(certificatePrincipal({ ...certificate, issuer, commonName }), undefined, commonName)
  const organizations = ['system:masters']
  const node = certificatePrincipal({ ...certificate, issuer, organizations, commonName: 'system:node:n1' })
  assert.deepEqual(node?.groups, ['system:nodes', 'system:authenticated'])
})

test('only a token of an agent that is bound to one node gets a certificate for it', () => {
  const agent: Principal = {
    kind: 'kubernetes',
    name: 'system:serviceaccount:trow-node:trow-node',
    groups: [],
    reviewable: true,
    extra: { 'authentication.kubernetes.io/node-name': ['n1'] },
  }
  const agents = ['trow-node:trow-node']
  assert.equal(nodeOf(agent, agents), 'n1')
  assert.equal(nodeOf({ ...agent, name: 'system:serviceaccount:trow-node:other' }, agents), undefined)
  assert.equal(nodeOf({ ...agent, kind: 'oidc' }, agents), undefined)
  assert.equal(nodeOf({ ...agent, extra: {} }, agents), undefined)
  assert.equal(
    nodeOf({ ...agent, extra: { 'authentication.kubernetes.io/node-name': ['n1', 'n2'] } }, agents),
    undefined,
  )
})

test('an Authorization header is Basic or Bearer, or nothing', () => {
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`
  assert.deepEqual(parseAuthorization(basic('a:b:c')), { kind: 'basic', username: 'a', password: 'b:c' })
  assert.deepEqual(parseAuthorization('bearer abc.def'), { kind: 'bearer', token: 'abc.def' })
  for (const bad of [
    '',
    'Basic',
    'Basic ',
    basic('nocolon'),
    basic('a:b\n'),
    'Digest x',
    'Bearer a b',
    'Bearer ä',
  ])
    assert.equal(parseAuthorization(bad), undefined, bad)
})
