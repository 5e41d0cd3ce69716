import assert from 'node:assert/strict'
import { once, EventEmitter } from 'node:events'
import { after, test } from 'node:test'
import { issueAuthority } from '../support/self-signed.ts'
import { followClientCa } from '../../src/cluster/client-ca.ts'
import { connectCluster } from '../../src/cluster/cluster-connection.ts'
import { CredentialSource } from '../../src/cluster/credential-source.ts'
import type { Log } from '../../src/log.ts'
import {
  contextFor,
  failure,
  reply,
  startFakeApiServer,
  type FakeApiServer,
} from '../support/fake-api-server.ts'

const closers: (() => unknown)[] = []
after(async () => {
  for (const close of closers.reverse()) await close()
})

const [first, second] = [await issueAuthority('first'), await issueAuthority('second')]

async function follow(answer: FakeApiServer['answer']) {
  const server = await startFakeApiServer(answer)
  const context = contextFor(server.url)
  const credentials = new CredentialSource(context, { env: {}, interactive: false, now: () => Date.now() })
  const connection = await connectCluster({ context, credentials, timeout: 300 })
  const lines: string[] = []
  const say = (message: string): number => lines.push(message)
  const log: Log = { debug: say, info: say, warn: say, error: say }
  const ca = await followClientCa({ connection, log, interval: 20 })
  const changes = new EventEmitter()
  ca.onChange((pem) => changes.emit('change', pem))
  closers.push(
    () => server.close(),
    () => connection.close(),
    () => ca.close(),
  )
  return { server, ca, changes, lines }
}

function publishing(pem: string | undefined): FakeApiServer['answer'] {
  return ({ path }, response) => {
    if (path !== '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication') {
      failure(response, 404, path)
    } else
      reply(response, 200, { kind: 'ConfigMap', data: pem === undefined ? {} : { 'client-ca-file': pem } })
  }
}

test('the CA is known at once, and followed when it changes, and when it is taken away', async () => {
  const { server, ca, changes } = await follow(publishing(first))
  assert.equal(ca.pem, first)
  server.answer = publishing(first + second)
  assert.deepEqual(await once(changes, 'change'), [first + second])
  server.answer = publishing(undefined)
  assert.deepEqual(await once(changes, 'change'), [undefined])
  assert.equal(ca.pem, undefined)
})

test('the last known one stays while the API server is away or publishes rubbish; that is said once', async () => {
  const { server, ca, changes, lines } = await follow(publishing(first))
  const seen: unknown[] = []
  changes.on('change', (pem) => seen.push(pem))
  for (const answer of [
    publishing('no certificate'),
    publishing(`${first}-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n`),
    (_, response) => failure(response, 500, 'away'),
    (_, __, request) => void request.socket.destroy(),
  ] satisfies FakeApiServer['answer'][]) {
    server.answer = answer
    const { length } = server.asked
    while (server.asked.length < length + 3) await new Promise((resolve) => setTimeout(resolve, 5))
    assert.equal(ca.pem, first)
  }
  assert.deepEqual(seen, [])
  assert.equal(lines.filter((line) => line.includes('cannot be read')).length, 1)
  server.answer = publishing(second)
  assert.deepEqual(await once(changes, 'change'), [second])
})

test('an API server that is away at the start is asked again', async () => {
  const { server, ca, changes } = await follow((_, response) => failure(response, 503, 'starting'))
  assert.equal(ca.pem, undefined)
  server.answer = publishing(first)
  assert.deepEqual(await once(changes, 'change'), [first])
})
