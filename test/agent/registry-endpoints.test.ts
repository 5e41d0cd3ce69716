import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { KubeObject } from '../../src/cluster/cluster-objects.ts'
import { endpointsOf } from '../../src/agent/registry-endpoints.ts'
import { hostPort } from '../../src/host-port.ts'
import { nodeEndpoints, spellings } from '../../src/agent/node-endpoints.ts'

const slice = (endpoints: unknown, ports: unknown = [{ name: 'https', port: 8443 }]): KubeObject => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 's' },
  endpoints,
  ports,
})

test('pods count, terminating or not yet serving, each once', () => {
  const found = endpointsOf([
    slice([
      {
        addresses: ['10.0.0.4'],
        conditions: { ready: false, serving: true, terminating: true },
        nodeName: 'n2',
      },
      { addresses: ['10.0.0.3'], conditions: { ready: false, serving: false } },
      { addresses: ['10.0.0.2'], conditions: {} },
    ]),
    slice([{ addresses: ['10.0.0.2'], conditions: { ready: true } }]),
  ])
  assert.deepEqual(found, [
    { host: '10.0.0.2', port: 8443, serving: true, ready: true, node: undefined },
    { host: '10.0.0.3', port: 8443, serving: false, ready: false, node: undefined },
    { host: '10.0.0.4', port: 8443, serving: true, ready: false, node: 'n2' },
  ])
})

test('of several ports the one named https counts, and never one of UDP', () => {
  const ports = [
    { name: 'metrics', port: 9090 },
    { name: 'https', port: 8443 },
    { port: 53, protocol: 'UDP' },
  ]
  assert.equal(endpointsOf([slice([{ addresses: ['10.0.0.2'] }], ports)])[0]?.port, 8443)
  assert.deepEqual(endpointsOf([slice([{ addresses: ['10.0.0.2'] }], ports.slice(2))]), [])
})

test('whatever an EndpointSlice holds, there is a list', () => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), (endpoints, ports) => {
      for (const { host, port } of endpointsOf([slice(endpoints, ports)]))
        assert.ok(typeof host === 'string' && typeof port === 'number')
    }),
  )
})

test('a node tries its proxy, the Service, its own NodePort; addresses of IPv6 in brackets', () => {
  const settings = {
    version: 1,
    mode: 'trust',
    generation: 1,
    hosts: ['trow.trow.svc'],
    registry: { namespace: 'trow', service: 'trow' },
    loopbackPort: 29443,
    clusterIps: ['10.96.7.7', 'fd00::7'],
    nodePort: 30443,
    restartRuntime: false,
    issueCertificates: false,
    editHosts: false,
  } as const
  assert.deepEqual(
    nodeEndpoints(
      { ...settings, hosts: [], clusterIps: [...settings.clusterIps] },
      { loopbackPort: 29443, address: 'fd00::11' },
    ),
    ['127.0.0.1:29443', '10.96.7.7:443', '[fd00::7]:443', '[fd00::11]:30443'],
  )
  assert.equal(hostPort('::1', 1), '[::1]:1')
})

test('a host is written as people may type it', () => {
  assert.deepEqual(spellings(['trow.trow.svc', 'r.example.com:5000']), [
    'trow.trow.svc',
    'trow.trow.svc:443',
    'r.example.com:5000',
  ])
})
