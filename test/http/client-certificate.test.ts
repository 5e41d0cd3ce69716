import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import https from 'node:https'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { missing } from '../requirements.ts'
import { passwords, startGated, type GatedServer } from '../support/gated-server.ts'
import { checkCells, rights, seed, type Content, type Way } from '../support/access-matrix.ts'
import { basic } from '../support/ways.ts'

interface Pair {
  readonly cert: string
  readonly key: string
}

suite('client certificates', { skip: missing('openssl') }, () => {
  let gated: GatedServer
  let content: Content
  const agents: https.Agent[] = []
  const make = (folder: string, authority: string, subject: string, usage = 'clientAuth'): Pair => {
    const at = (name: string): string => join(folder, name)
    const openssl = (...args: string[]): void =>
      void execFileSync('openssl', args, { stdio: 'ignore', timeout: 30_000 })
    const [key, csr, ext, crt] = ['c.key', 'c.csr', 'c.ext', 'c.crt'].map(at) as [
      string,
      string,
      string,
      string,
    ]
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', csr, '-subj', subject)
    writeFileSync(ext, `extendedKeyUsage=${usage}\n`)
    const ca = ['-CA', at(`${authority}.crt`), '-CAkey', at(`${authority}.key`), '-CAcreateserial']
    openssl('x509', '-req', '-in', csr, ...ca, '-days', '1', '-extfile', ext, '-out', crt)
    return { cert: readFileSync(crt, 'utf8'), key: readFileSync(key, 'utf8') }
  }
  const makeAuthority = (folder: string, name: string): void =>
    void execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-days',
        '1',
        '-subj',
        `/CN=${name}`,
        '-keyout',
        join(folder, `${name}.key`),
        '-out',
        join(folder, `${name}.crt`),
        '-addext',
        'basicConstraints=critical,CA:TRUE',
      ],
      { stdio: 'ignore', timeout: 30_000 },
    )
  const over = (name: string, pair: Pair | undefined, authorization?: string): Way => {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false, ...pair })
    agents.push(agent)
    return {
      name,
      send: ({ method, path, headers, body }) =>
        new Promise((resolve, reject) => {
          const known = authorization === undefined ? {} : { authorization }
          const request = https.request(
            `${gated.url}${path}`,
            { method, agent, headers: { ...known, ...headers } },
            (reply) => {
              let text = ''
              reply.setEncoding('utf8').on('data', (part: string) => (text += part))
              reply.on('end', () =>
                resolve({
                  status: reply.statusCode ?? 0,
                  headers: Object.fromEntries(
                    Object.entries(reply.headers).map(([key, value]) => [key, String(value)]),
                  ),
                  body: text,
                }),
              )
            },
          )
          request.on('error', reject).end(body)
        }),
    }
  }

  before(async () => {
    const { mkdtempSync } = await import('node:fs')
    const { tmpdir } = await import('node:os')
    const folder = mkdtempSync(join(tmpdir(), 'trow-ca-'))
    makeAuthority(folder, 'one')
    makeAuthority(folder, 'two')
    gated = await startGated(
      {
        'client-ca': join(folder, 'clients.crt'),
        ...(cpSync(join(folder, 'one.crt'), join(folder, 'clients.crt')), {}),
        access: [
          { who: ['jane'], repositories: ['team/**'], actions: ['pull', 'list'] },
          { who: ['group:ops'], repositories: ['team/**'], actions: ['pull', 'list', 'push'] },
          { who: ['admin'], repositories: ['**'], actions: ['pull', 'list', 'push', 'delete'] },
        ],
      },
      ['--tls-auto'],
    )
    Object.assign(gated, { authorities: folder })
    content = await seed(over('Basic', undefined, basic('admin', passwords.admin)), 'team/app')
  })
  after(async () => {
    for (const agent of agents) agent.destroy()
    await gated.close()
  })
  const folder = (): string => (gated as GatedServer & { authorities: string }).authorities
  const names = (): { real: string; absent: string; content: Content } => ({
    real: 'team/app',
    absent: 'team/xyz',
    content,
  })

  test('a person is their common name, and each organization a group', async () => {
    const jane = over('certificate', make(folder(), 'one', '/CN=jane'))
    await checkCells(jane, { name: 'jane', known: true, rights: rights.puller }, names())
    const ops = over('certificate', make(folder(), 'one', '/O=ops/O=dev/CN=joe'))
    await checkCells(ops, { name: 'joe', known: true, rights: rights.pusher }, names())
    const nobody = over('certificate', make(folder(), 'one', '/O=dev/CN=joe'))
    await checkCells(nobody, { name: 'joe', known: true, rights: rights.nobody }, names())
  })

  test('who shows none, or one of another CA, or a server certificate, is nobody', async () => {
    const role = { name: 'nobody', known: false, rights: rights.nobody }
    await checkCells(over('nothing', undefined), role, names())
    await checkCells(over('another CA', make(folder(), 'two', '/CN=jane')), role, names())
    await checkCells(
      over('a server certificate', make(folder(), 'one', '/CN=jane', 'serverAuth')),
      role,
      names(),
    )
    const own = {
      cert: readFileSync(join(gated.data, 'tls', 'tls.crt'), 'utf8'),
      key: readFileSync(join(gated.data, 'tls', 'tls.key'), 'utf8'),
    }
    await checkCells(over("the server's own certificate", own), role, names())
  })

  test('an Authorization header outranks the certificate, and a refused one never falls back to it', async () => {
    const pair = make(folder(), 'one', '/O=ops/CN=joe')
    const admin = over('both', pair, basic('admin', passwords.admin))
    await checkCells(admin, { name: 'admin', known: true, rights: rights.admin }, names())
    const wrong = over('both', pair, basic('admin', 'wrong'))
    const reply = await wrong.send({ method: 'GET', path: '/v2/team/app/tags/list' })
    assert.ok([401, 429].includes(reply.status), String(reply.status))
  })

  test('a connection ends when the CA changes, and the old certificates are nobody then', async () => {
    const jane = over('certificate', make(folder(), 'one', '/CN=jane'))
    const tags = { method: 'GET', path: '/v2/team/app/tags/list' }
    assert.equal((await jane.send(tags)).status, 200)
    cpSync(join(folder(), 'two.crt'), join(folder(), 'clients.crt'))
    await sleep(3000)
    const status = await jane.send(tags).then(
      (reply) => reply.status,
      (error: NodeJS.ErrnoException) => error.code,
    )
    assert.ok(status === 401 || status === 'ECONNRESET' || status === 'EPIPE', String(status))
    const again = over('certificate', make(folder(), 'two', '/CN=jane'))
    assert.equal((await again.send(tags)).status, 200)
  })
})
