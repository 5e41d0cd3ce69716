import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { proxyFor } from '../../src/cluster/proxy-environment.ts'

suite('the proxy of the environment', () => {
  const proxied = { HTTPS_PROXY: 'proxy.test:3128' }
  const rows: readonly (readonly [string, Record<string, string>, string | undefined])[] = [
    ['https://api.test:6443', {}, undefined],
    ['https://api.test:6443', proxied, 'http://proxy.test:3128'],
    ['https://api.test:6443', { https_proxy: 'http://p:1' }, 'http://p:1'],
    ['https://api.test:6443', { HTTP_PROXY: 'http://p:1' }, undefined],
    ['http://api.test:6443', { HTTP_PROXY: 'http://p:1' }, 'http://p:1'],
    ['https://127.0.0.1:6443', proxied, undefined],
    ['https://[::1]:6443', proxied, undefined],
    ['https://localhost:6443', proxied, undefined],
  ]
  const without: readonly (readonly [string, string, boolean])[] = [
    ['https://api.test:6443', '*', true],
    ['https://api.test:6443', 'api.test', true],
    ['https://api.test:6443', 'test', true],
    ['https://api.test:6443', '.test', true],
    ['https://api.test:6443', '.api.test', false],
    ['https://api.test:6443', 'est', false],
    ['https://api.test:6443', 'other, API.test:6443', true],
    ['https://api.test:6443', 'api.test:443', false],
    ['https://api.test', 'api.test:443', true],
    ['https://10.1.2.3:6443', '10.0.0.0/8', true],
    ['https://10.1.2.3:6443', '10.1.2.0/33,nonsense/,/8', false],
    ['https://10.1.2.3:6443', '10.1.2.3', true],
    ['https://[fd00::1]:6443', 'fd00::/8', true],
    ['https://[fd00::1]:6443', 'fd00::1', true],
    ['https://api.test:6443', ',', false],
  ]
  for (const [server, env, expected] of rows)
    test(`${server} with ${JSON.stringify(env)}`, () => assert.equal(proxyFor(server, env), expected))
  for (const [server, listed, direct] of without) {
    test(`${server} without one for "${listed}"`, () => {
      const proxy = proxyFor(server, { ...proxied, NO_PROXY: listed })
      assert.equal(proxy, direct ? undefined : 'http://proxy.test:3128')
    })
  }
})
