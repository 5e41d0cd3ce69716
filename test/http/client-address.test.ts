import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { TrustedProxies } from '../../src/http/client-address.ts'
import { TokenRealm } from '../../src/http/token-realm.ts'

function message(
  remoteAddress: string,
  headers: Readonly<Record<string, string>>,
  local = '10.1.2.3',
): IncomingMessage {
  const socket = { remoteAddress, localAddress: local, localPort: 5000 }
  return { socket, headers } as unknown as IncomingMessage
}

test('the client is the nearest address that is no trusted proxy', () => {
  const proxies = new TrustedProxies(['10.0.0.0/8', 'fd00::1'])
  const from = (remote: string, forwarded?: string): string =>
    proxies.addressOf(message(remote, forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }))
  assert.equal(from('192.0.2.1', '1.1.1.1'), '192.0.2.1', 'nobody else is believed')
  assert.equal(from('10.0.0.1', '1.1.1.1, 2.2.2.2'), '2.2.2.2')
  assert.equal(from('10.0.0.1', '1.1.1.1, 10.0.0.2'), '1.1.1.1')
  assert.equal(from('fd00::1', '1.1.1.1'), '1.1.1.1')
  assert.equal(from('::ffff:10.0.0.1', '1.1.1.1'), '1.1.1.1')
  assert.equal(from('10.0.0.1', 'nonsense'), '10.0.0.1')
  assert.equal(from('10.0.0.1'), '10.0.0.1')
  assert.equal(
    new TrustedProxies([]).addressOf(message('10.0.0.1', { 'x-forwarded-for': '1.1.1.1' })),
    '10.0.0.1',
  )
})

test('the realm is on the host that the client used, if it is ours', () => {
  const realm = new TokenRealm(['registry.example.com'], new TrustedProxies(['10.0.0.1']))
  const at = (host: string, extra: Readonly<Record<string, string>> = {}, remote = '192.0.2.1'): string =>
    realm.urlFor(message(remote, { host, ...extra }))
  assert.equal(at('registry.example.com'), 'http://registry.example.com/token')
  assert.equal(at('Registry.Example.com:5000'), 'http://registry.example.com:5000/token')
  assert.equal(at('127.0.0.1:29443'), 'http://127.0.0.1:29443/token')
  assert.equal(at('10.1.2.3:5000'), 'http://10.1.2.3:5000/token', 'the address that was connected to')
  assert.equal(at('evil.example'), 'http://registry.example.com/token')
  assert.equal(
    new TokenRealm([], new TrustedProxies([])).urlFor(message('192.0.2.1', { host: 'evil.example' })),
    'http://10.1.2.3:5000/token',
  )
  const forwarded = { 'x-forwarded-proto': 'https' }
  assert.equal(at('registry.example.com', forwarded), 'http://registry.example.com/token')
  assert.equal(at('registry.example.com', forwarded, '10.0.0.1'), 'https://registry.example.com/token')
})
