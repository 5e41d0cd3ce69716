import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { issueNodeCertificate } from '../../src/certificates/certificate-authority.ts'
import { makeCertificateRequest } from '../../src/certificates/certificate-request.ts'
import { passwords, startGated, type GatedServer } from '../support/gated-server.ts'
import type { Received, Sent } from '../support/access-matrix.ts'
import { basic } from '../support/ways.ts'
import { missing } from '../requirements.ts'
import { runTrow } from '../support/server-process.ts'
import { ApiServer } from './api-server.ts'

/** Milliseconds: the promised limit, and a margin for busy machines. */
const refusedWithin = 10_000
const slack = 2000
const tags = { method: 'GET', path: '/v2/team/app/tags/list' }

suite('credentials that were revoked', { skip: missing('openssl') }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-tokens-'))
  const api = new ApiServer()
  let gated: GatedServer
  const agents: https.Agent[] = []

  before(async () => {
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=cluster')
    openssl(
      'req',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      at('jane.key'),
      '-out',
      at('jane.csr'),
      '-subj',
      '/CN=jane',
    )
    sign('jane')
    openssl(
      'req',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      at('kubelet.key'),
      '-out',
      at('kubelet.csr'),
      '-subj',
      '/O=system:nodes/CN=system:node:n3',
    )
    sign('kubelet')
    api.clientCa = readFileSync(at('ca.crt'), 'utf8')
    const server = await api.listen()
    const kubeconfig = at('kubeconfig')
    writeFileSync(
      kubeconfig,
      stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'c', cluster: { server } }],
        users: [{ name: 'u', user: { token: 'registry' } }],
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'x',
      }),
    )
    gated = await startGated(
      {
        kubernetes: true,
        kubeconfig,
        'node-agents': ['trow-node:trow-node', 'trow-node:other'],
        access: undefined,
      },
      ['--tls-auto'],
    )
    const put = await send(
      {
        method: 'POST',
        path: `/v2/team/app/blobs/uploads/?digest=sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a`,
        headers: { 'Content-Type': 'application/octet-stream' },
        body: '{}',
      },
      { authorization: basic('admin', passwords.admin) },
    )
    assert.equal(put.status, 201, put.body)
  })
  after(async () => {
    for (const agent of agents) agent.destroy()
    await gated.close()
    api.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const at = (name: string): string => join(folder, name)
  const openssl = (...args: string[]): void => {
    const own = args.includes('-x509') && args.includes('-newkey')
    const ca = own
      ? ['-keyout', at('ca.key'), '-out', at('ca.crt'), '-addext', 'basicConstraints=critical,CA:TRUE']
      : []
    execFileSync('openssl', [...args, ...ca], { stdio: 'ignore', timeout: 30_000 })
  }
  const sign = (name: string): void => {
    writeFileSync(at('ext'), 'extendedKeyUsage=clientAuth\n')
    const ca = ['-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '1']
    openssl('x509', '-req', '-in', at(`${name}.csr`), ...ca, '-extfile', at('ext'), '-out', at(`${name}.crt`))
  }
  interface PresentedCredentials {
    readonly authorization?: string
    readonly agent?: https.Agent
  }
  const send = (
    { method, path, headers, body }: Sent,
    { authorization, agent }: PresentedCredentials = {},
  ): Promise<Received> =>
    new Promise((resolve, reject) => {
      const known = authorization === undefined ? {} : { authorization }
      const request = https.request(
        `${gated.url}${path}`,
        { method, agent, rejectUnauthorized: false, headers: { ...known, ...headers } },
        (reply) => {
          let text = ''
          reply.setEncoding('utf8').on('data', (part: string) => (text += part))
          reply.on('end', () => resolve({ status: reply.statusCode ?? 0, headers: {}, body: text }))
        },
      )
      request.on('error', reject).end(body)
    })
  const agentOf = (pair: { readonly cert: string; readonly key: string }): https.Agent => {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false, ...pair })
    agents.push(agent)
    return agent
  }
  const pairOf = (name: string): { cert: string; key: string } => ({
    cert: readFileSync(at(`${name}.crt`), 'utf8'),
    key: readFileSync(at(`${name}.key`), 'utf8'),
  })
  /** Repeats a request all the time, so that every cache that may hold its answer does. */
  const untilRefused = async (presented: Map<string, PresentedCredentials>): Promise<void> => {
    const revokedAt = Date.now()
    while (presented.size > 0 && Date.now() < revokedAt + refusedWithin + slack) {
      for (const [name, each] of presented) {
        const status = await send(tags, each).then(
          (reply) => reply.status,
          () => 'the connection was ended',
        )
        if (status === 401) presented.delete(name)
      }
      await sleep(50)
    }
    assert.deepEqual([...presented.keys()], [], 'what is still let in')
  }
  const tokenOf = async (
    presented: PresentedCredentials,
    more = '',
  ): Promise<Received & { token: string; refresh: string }> => {
    const path = `/token?service=trow&scope=repository:team/app:pull${more}`
    const reply = await send({ method: 'GET', path }, presented)
    const { token = '', refresh_token: refresh = '' } = JSON.parse(reply.body) as Record<string, string>
    return { ...reply, token, refresh }
  }
  const form = (fields: Readonly<Record<string, string>>): Promise<Received> =>
    send({
      method: 'POST',
      path: '/token',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ service: 'trow', client_id: 'test', ...fields }).toString(),
    })
  const certified = async (
    token: string,
  ): Promise<{ status: number; pair: { cert: string; key: string } }> => {
    const { key, request } = await makeCertificateRequest('CN=whoever', crypto as Crypto)
    const { status, body } = await send(
      { method: 'POST', path: '/trow/v1/node-certificate', body: request },
      { authorization: `Bearer ${token}` },
    )
    return { status, pair: { cert: body, key } }
  }
  const agentToken = (node: string, account = 'trow-node'): string => {
    const token = jwt({ aud: ['trow'], sub: node })
    api.nodes.set(node, `uid-of-${node}`)
    api.accounts.set(`trow-node/${account}`, `uid-of-${account}`)
    api.tokens.set(token, {
      username: `system:serviceaccount:trow-node:${account}`,
      uid: `uid-of-${account}`,
      groups: ['system:serviceaccounts', 'system:authenticated'],
      extra: {
        'authentication.kubernetes.io/node-name': [node],
        'authentication.kubernetes.io/node-uid': [`uid-of-${node}`],
      },
    })
    return token
  }

  test('an access token gets no other token, by whatever way it is shown', async () => {
    const { token } = await tokenOf({ authorization: basic('admin', passwords.admin) })
    assert.equal((await send(tags, { authorization: `Bearer ${token}` })).status, 200)
    for (const authorization of [`Bearer ${token}`, basic('admin', token), basic('<token>', token)])
      assert.equal((await tokenOf({ authorization })).status, 401, authorization.slice(0, 6))
    for (const grant of [
      { grant_type: 'password', username: 'admin', password: token },
      { grant_type: 'refresh_token', refresh_token: token },
    ])
      assert.equal((await form(grant)).status, 401, grant.grant_type)
    assert.equal(
      (await send(tags, { authorization: basic('admin', token) })).status,
      401,
      'nor is it a password',
    )
  })

  test('a token of the cluster, as Bearer, still gets one', async () => {
    const token = jwt({ aud: ['trow'], sub: 'builder' })
    api.tokens.set(token, {
      username: 'system:serviceaccount:team:builder',
      groups: ['system:authenticated'],
    })
    const got = await tokenOf({ authorization: `Bearer ${token}` })
    assert.equal(got.status, 200)
    assert.equal((await send(tags, { authorization: `Bearer ${got.token}` })).status, 200)
  })

  test('a session that is refreshed ends when its first refresh token does', async () => {
    const first = await tokenOf({ authorization: basic('admin', passwords.admin) }, '&offline_token=true')
    assert.notEqual(first.refresh, '')
    const reply = await form({
      grant_type: 'refresh_token',
      refresh_token: first.refresh,
      access_type: 'offline',
    })
    assert.equal(reply.status, 200)
    const next = JSON.parse(reply.body) as { access_token?: string; refresh_token?: string }
    assert.ok(next.access_token)
    assert.equal(next.refresh_token, undefined, 'another 30 days would follow each 30 days')
  })

  test('a certificate gets tokens for minutes, and none that refreshes itself', async () => {
    const jane = agentOf(pairOf('jane'))
    const got = await tokenOf({ agent: jane }, '&offline_token=true')
    assert.equal(got.status, 200)
    assert.equal(got.refresh, '')
    assert.ok(lifeOf(got.token) <= 290)
  })

  test('who follows the audit is asked again when their credential ends', async () => {
    const exp = Math.floor(Date.now() / 1000) + 3
    const token = jwt({ aud: ['trow'], sub: 'auditor', exp })
    api.tokens.set(token, {
      username: 'system:serviceaccount:team:auditor',
      groups: ['system:authenticated'],
    })
    const follow = { method: 'GET', path: '/trow/v1/audit/follow' }
    // Resolves when the stream ends.
    assert.equal((await send(follow, { authorization: `Bearer ${token}` })).status, 200)
    assert.ok(Date.now() < exp * 1000 + slack)
    assert.equal((await send(follow, { authorization: `Bearer ${token}` })).status, 401)
  })

  test('an agent gets a certificate for its own token, and not for one of ours', async () => {
    const token = agentToken('n9')
    assert.equal((await certified(token)).status, 200)
    const { token: own } = await tokenOf({ authorization: `Bearer ${token}` })
    assert.equal((await certified(own)).status, 403)
  })

  test('whatever is revoked is refused within 10 s: password, robot, token of the cluster, Node, account', async () => {
    const made = await runTrow([
      'robot',
      'create',
      'ci',
      '--data',
      gated.data,
      '-o',
      'json',
      '--repository',
      'team/**',
      '--action',
      'pull',
    ])
    const robot = JSON.parse(made.output) as { username: string; password: string }
    const opaque = jwt({ aud: ['trow'], sub: 'no end' })
    api.tokens.set(opaque, {
      username: 'system:serviceaccount:team:eternal',
      groups: ['system:authenticated'],
    })
    const [n1, n2] = [await certified(agentToken('n1')), await certified(agentToken('n2'))]
    const n5 = await certified(agentToken('n5', 'other'))
    assert.deepEqual([n1.status, n2.status, n5.status], [200, 200, 200])
    api.nodes.set('n3', 'uid-of-n3')
    const node = agentOf(n1.pair)
    const { token: tokenOfNode } = await tokenOf({ agent: node })
    const presented: Readonly<Record<string, PresentedCredentials>> = {
      password: { authorization: basic('pusher', passwords.pusher) },
      robot: { authorization: basic(robot.username, robot.password) },
      'token of the cluster': { authorization: `Bearer ${opaque}` },
      'token of the cluster as a password': { authorization: basic('x', opaque) },
      node: { agent: node },
      'token of a node': { authorization: `Bearer ${tokenOfNode}` },
      'node that was made anew': { agent: agentOf(n2.pair) },
      "a kubelet's certificate": { agent: agentOf(pairOf('kubelet')) },
      'node of an account that is gone': { agent: agentOf(n5.pair) },
    }
    for (const [name, each] of Object.entries(presented))
      assert.equal((await send(tags, each)).status, 200, name)
    await runTrow(['robot', 'revoke', 'ci', '--data', gated.data])
    const lines = readFileSync(gated.htpasswd, 'utf8').split('\n')
    writeFileSync(gated.htpasswd, lines.filter((line) => !line.startsWith('pusher:')).join('\n'))
    api.tokens.delete(opaque)
    api.nodes.delete('n1')
    api.nodes.delete('n3')
    api.nodes.set('n2', 'another-uid')
    api.accounts.delete('trow-node/other')
    await untilRefused(new Map(Object.entries(presented)))
  })

  test('a certificate is refused on its open connection, when it ends and when its CA is taken away', async () => {
    const folderOfCa = join(gated.data, 'tls')
    const authority = {
      cert: readFileSync(join(folderOfCa, 'ca.crt'), 'utf8'),
      key: readFileSync(join(folderOfCa, 'ca.key'), 'utf8'),
    }
    api.nodes.set('n7', 'uid-of-n7')
    const { key, request } = await makeCertificateRequest('CN=x', crypto as Crypto)
    // The token is valid from five minutes before its issue.
    const options = { node: 'n7', request, life: 304_000 }
    const ending = agentOf({ cert: await issueNodeCertificate(authority, options, crypto as Crypto), key })
    const left = new Map(Object.entries({ ending, jane: agentOf(pairOf('jane')) }))
    for (const [name, agent] of left) assert.equal((await send(tags, { agent })).status, 200, name)
    api.clientCa = ''
    await untilRefused(new Map([...left].map(([name, agent]) => [name, { agent }])))
  })
})

function jwt(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'RS256' })}.${part({ iss: 'https://kubernetes.default.svc', ...claims })}.c2ln`
}

/** Seconds. */
function lifeOf(token: string): number {
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as {
    iat: number
    exp: number
  }
  return claims.exp - claims.iat
}
