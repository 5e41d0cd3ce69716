import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import { connect as connectPlain } from 'node:net'
import { hashPassword } from '../../src/access/bcrypt.ts'
import { markOrReason } from '../../src/file-mark.ts'
import { SettingsReload } from '../../src/serve/settings-reload.ts'
import { resolveSettings } from '../../src/settings/settings.ts'
import type { Settings } from '../../src/settings/settings-schema.ts'
import { issue } from '../support/self-signed.ts'
import { eventually } from '../support/program.ts'
import { runTrow, startedServer, type ServerProcess } from '../support/server-process.ts'

const root = mkdtempSync(join(tmpdir(), 'trow-reload-'))
after(() => rmSync(root, { recursive: true }))
const hashed = await hashPassword('secret', 4)

const rule = (who: string, actions: string): string =>
  `  - { who: ${who}, repositories: "**", actions: [${actions}] }\n`
const rulesOf = (...rules: readonly string[]): string => `access:\n${rules.join('')}`

/** Asks on many connections, so that every worker is among those that answer. */
async function statuses(
  server: ServerProcess,
  user: string,
  request: Omit<RequestInit, 'headers'> & { path?: string; headers?: Record<string, string> } = {},
): Promise<Set<number>> {
  const authorization = `Basic ${Buffer.from(`${user}:secret`).toString('base64')}`
  const headers = { ...request.headers, authorization, connection: 'close' }
  const { path = 'a/manifests/1', ...init } = request
  const asked = Array.from({ length: 24 }, async () => {
    const reply = await fetch(`${server.url}/v2/${path}`, { ...init, headers })
    await reply.body?.cancel()
    return reply.status
  })
  return new Set(await Promise.all(asked))
}

/** Every worker answers so within a second. */
function withinASecond(
  server: ServerProcess,
  user: string,
  status: number,
  request: Parameters<typeof statuses>[2] = {},
): Promise<void> {
  return soon(async () => assert.deepEqual([...(await statuses(server, user, request))], [status]))
}

/** The certificates that are shown on many connections. */
async function certificates(server: ServerProcess): Promise<Set<string>> {
  const { hostname, port } = new URL(server.url)
  const shown = Array.from({ length: 24 }, async () => {
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const { fingerprint256 } = socket.getPeerCertificate()
    socket.destroy()
    return fingerprint256
  })
  return new Set(await Promise.all(shown))
}

/** Holds within a second; twice that is allowed, because the questions themselves take time on a busy machine. */
async function soon(holds: () => Promise<void>): Promise<void> {
  const since = performance.now()
  await eventually(holds, 5000)
  const took = performance.now() - since
  assert.ok(took < 2000, `${took} ms`)
}

interface ReloadedServer {
  readonly server: ServerProcess
  readonly file: string
  readonly users: string
  readonly data: string
  events(): readonly Record<string, unknown>[]
}

async function open(name: string, text: string): Promise<ReloadedServer> {
  const folder = join(root, name)
  mkdirSync(folder)
  const [file, users, data] = [join(folder, 'trow.yaml'), join(folder, 'users'), join(folder, 'data')]
  writeFileSync(file, text)
  writeFileSync(users, `alice:${hashed}\nbob:${hashed}\n`)
  const args = ['--workers', '4', '--config', file, '--htpasswd', users]
  const server = await startedServer({ data, args })
  const log = join(data, 'audit')
  const events = (): readonly Record<string, unknown>[] =>
    readdirSync(log, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .flatMap((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8').split('\n'))
      .filter((line) => line.includes('io.trow.settings-'))
      .map((line) => (JSON.parse(line) as { event: Record<string, unknown> }).event)
  return { server, file, users, data, events }
}

suite('trow.yaml is read again while the server runs', () => {
  test('rules: every worker decides by them within a second, and the audit log has the difference', async () => {
    const { server, file, events } = await open('rules', rulesOf(rule('alice', 'pull')))
    try {
      assert.deepEqual([...(await statuses(server, 'bob'))], [403])
      writeFileSync(file, rulesOf(rule('alice', 'pull'), rule('bob', 'pull')))
      await withinASecond(server, 'bob', 404)
      writeFileSync(file, rulesOf(rule('bob', 'pull')))
      await withinASecond(server, 'alice', 403)
      await eventually(() => Promise.resolve(assert.equal(events().length, 2)), 5000)
      const [first, second] = events().map(({ data }) => data as Record<string, unknown>)
      const added = { who: ['bob'], repositories: ['**'], actions: ['pull'] }
      assert.deepEqual(first?.['change'], { settings: { access: { added: [added] } } })
      assert.deepEqual(second?.['change'], {
        settings: { access: { removed: [{ ...added, who: ['alice'] }] } },
      })
      assert.equal(first?.['reference'], file)
      assert.match(JSON.stringify(first?.['actor']), /uid \d+/)
    } finally {
      await server.stop()
    }
    assert.match(server.output(), /settings were read again and are in force .*settings=access/)
  })

  test('the exchange of a link counts, as a ConfigMap is changed', async () => {
    const { server, file } = await open('link', rulesOf(rule('alice', 'pull')))
    try {
      // Kubernetes exchanges the folder that the file's link leads through.
      const folder = join(root, 'link')
      for (const [name, who] of [
        ['v1', 'alice'],
        ['v2', 'bob'],
      ] as const) {
        mkdirSync(join(folder, name))
        writeFileSync(join(folder, name, 'trow.yaml'), rulesOf(rule(who, 'pull')))
      }
      symlinkSync('v1', join(folder, '..data'))
      rmSync(file)
      symlinkSync('..data/trow.yaml', file)
      await withinASecond(server, 'alice', 404)
      symlinkSync('v2', join(folder, '..next'))
      renameSync(join(folder, '..next'), join(folder, '..data'))
      await withinASecond(server, 'bob', 404)
      await withinASecond(server, 'alice', 403)
    } finally {
      await server.stop()
    }
  })

  test('a file that does not load changes nothing, is named with its line, and is recorded', async () => {
    const { server, file, events } = await open('broken', rulesOf(rule('alice', 'pull')))
    try {
      writeFileSync(file, `${rulesOf(rule('bob', 'pull'))}log-level: loud\nlisten-on: x\n`)
      await eventually(() => Promise.resolve(assert.equal(events().length, 1)), 5000)
      assert.deepEqual([...(await statuses(server, 'alice'))], [404])
      assert.deepEqual([...(await statuses(server, 'bob'))], [403])
      rmSync(file)
      await eventually(() => Promise.resolve(assert.equal(events().length, 2)), 5000)
      assert.deepEqual([...(await statuses(server, 'alice'))], [404])
      writeFileSync(file, rulesOf(rule('bob', 'pull')))
      await withinASecond(server, 'bob', 404)
    } finally {
      await server.stop()
    }
    assert.match(server.output(), /the old ones stay .*trow\.yaml:4:1: there is no setting "listen-on"/)
    assert.match(server.output(), /the old ones stay .*cannot be read/)
    const [event] = events()
    assert.equal(event?.['type'], 'io.trow.settings-reject.failed.v1')
  })

  test('what needs a restart is said, with the rest in force; SIGHUP says it again', async () => {
    const { server, file } = await open('restart', rulesOf(rule('alice', 'pull')))
    const said = (pattern: RegExp): number => server.output().match(new RegExp(pattern, 'g'))?.length ?? 0
    try {
      writeFileSync(file, `${rulesOf(rule('bob', 'pull'))}trusted-proxies: 10.0.0.0/8\nlog-level: warn\n`)
      await withinASecond(server, 'bob', 404)
      const line = /these settings have changed and need a restart .*settings=trusted-proxies/
      await eventually(() => Promise.resolve(assert.equal(said(line), 1)), 5000)
      process.kill(server.pid, 'SIGHUP')
      await eventually(() => Promise.resolve(assert.equal(said(line), 2)), 5000)
      writeFileSync(file, rulesOf(rule('bob', 'pull')))
      await eventually(() => Promise.resolve(assert.match(server.output(), /in force .*log-level/)), 5000)
      process.kill(server.pid, 'SIGHUP')
      await eventually(() => Promise.resolve(assert.match(server.output(), /nothing differs/)), 5000)
    } finally {
      await server.stop()
    }
  })

  test('the reserve: pushes are refused while less is free, by every worker, and taken again', async () => {
    const push = {
      method: 'PUT',
      body: '{}',
      headers: { 'content-type': 'application/vnd.oci.image.index.v1+json' },
    }
    const upload = { method: 'POST', path: 'a/blobs/uploads/' }
    const { server, file } = await open('reserve', rulesOf(rule('alice', 'push')))
    try {
      assert.deepEqual([...(await statuses(server, 'alice', upload))], [202])
      writeFileSync(file, `${rulesOf(rule('alice', 'push'))}reserve: 1000000GiB\n`)
      await withinASecond(server, 'alice', 507, upload)
      assert.deepEqual([...(await statuses(server, 'alice', push))], [507])
      const reason = async (): Promise<unknown> =>
        ((await (await fetch(`${server.url}/readyz`)).json()) as { write: { reason?: unknown } }).write.reason
      await eventually(async () => assert.equal(await reason(), 'the disk is full up to the reserve'), 20_000)
      writeFileSync(file, `${rulesOf(rule('alice', 'push'))}reserve: 0\n`)
      await withinASecond(server, 'alice', 202, upload)
      await eventually(async () => assert.equal(await reason(), undefined), 20_000)
    } finally {
      await server.stop()
    }
  })

  test('the grace period: a collection goes by the one that is in force', async () => {
    const { server, file, data } = await open('grace', rulesOf(rule('alice', 'push')))
    try {
      const authorization = `Basic ${Buffer.from('alice:secret').toString('base64')}`
      const body = 'nobody needs it'
      const digest = createHash('sha256').update(body).digest('hex')
      const pushed = await fetch(`${server.url}/v2/a/blobs/uploads/?digest=sha256:${digest}`, {
        method: 'POST',
        body,
        headers: { authorization },
      })
      assert.equal(pushed.status, 201)
      const collected = async (): Promise<string> =>
        (await runTrow(['gc', '--dry-run', '--data', data])).output
      assert.doesNotMatch(await collected(), new RegExp(digest))
      writeFileSync(file, `${rulesOf(rule('alice', 'push'))}gc-grace: 0s\n`)
      await eventually(async () => assert.match(await collected(), new RegExp(digest)), 20_000)
    } finally {
      await server.stop()
    }
  })

  test('the idle timeout: it ends a request that was under way before', async () => {
    const { server, file } = await open('idle', `idle-timeout: 1h\n${rulesOf(rule('alice', 'push'))}`)
    const { hostname, port } = new URL(server.url)
    const socket = connectPlain({ host: hostname, port: Number(port) })
    try {
      const credentials = Buffer.from('alice:secret').toString('base64')
      const authorization = `Authorization: Basic ${credentials}`
      socket.write(
        `POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: ${hostname}\r\n${authorization}\r\nContent-Length: 0\r\n\r\n`,
      )
      const [head] = (await once(socket, 'data')) as [Buffer]
      const location = /^location: (\S+)/im.exec(head.toString())?.[1] ?? ''
      const long = `Content-Type: application/octet-stream\r\nContent-Length: 1000000`
      socket.write(
        `PATCH ${location} HTTP/1.1\r\nHost: ${hostname}\r\n${authorization}\r\n${long}\r\n\r\nbegun`,
      )
      const ended = once(socket, 'close')
      socket.resume()
      writeFileSync(file, `idle-timeout: 1s\n${rulesOf(rule('alice', 'push'))}`)
      const late = sleep(60_000, 'late', { ref: false })
      assert.notEqual(await Promise.race([ended, late]), 'late')
    } finally {
      socket.destroy()
      await server.stop()
    }
  })

  test('SIGHUP without a file says that there is nothing to read', async () => {
    const server = await startedServer({ data: join(root, 'none') })
    process.kill(server.pid, 'SIGHUP')
    await eventually(
      () => Promise.resolve(assert.match(server.output(), /no trow\.yaml to read again/)),
      5000,
    )
    assert.equal((await fetch(`${server.url}/livez`)).status, 200)
    await server.stop()
  })

  test('limits: every worker refuses a manifest above the new one within a second, and takes it again', async () => {
    const text = (limit: string): string => `${rulesOf(rule('alice', 'push'))}manifest-limit: ${limit}\n`
    const { server, file } = await open('limits', text('4MiB'))
    const manifest = { schemaVersion: 2, manifests: [], annotations: { long: 'x'.repeat(3000) } }
    const headers = { 'content-type': 'application/vnd.oci.image.index.v1+json' }
    const put = { method: 'PUT', body: JSON.stringify(manifest), headers }
    try {
      await withinASecond(server, 'alice', 201, put)
      writeFileSync(file, text('2KiB'))
      await withinASecond(server, 'alice', 413, put)
      writeFileSync(file, text('4KiB'))
      await withinASecond(server, 'alice', 201, put)
    } finally {
      await server.stop()
    }
    assert.match(server.output(), /in force .*settings=manifest-limit/)
  })

  test('certificates: every worker shows the new one within a second', async () => {
    const folder = join(root, 'certificates')
    mkdirSync(folder)
    const [cert, key] = [join(folder, 'tls.crt'), join(folder, 'tls.key')]
    const put = async (): Promise<string> => {
      const pair = await issue('trow', new Date(Date.now() + 3_600_000))
      writeFileSync(key, pair.key)
      writeFileSync(cert, pair.cert)
      return new X509Certificate(pair.cert).fingerprint256
    }
    const first = await put()
    const args = ['--workers', '4', '--tls-cert', cert, '--tls-key', key]
    const server = await startedServer({ data: join(folder, 'data'), args })
    try {
      assert.deepEqual(await certificates(server), new Set([first]))
      const second = await put()
      await soon(async () => assert.deepEqual(await certificates(server), new Set([second])))
    } finally {
      await server.stop()
    }
  })

  test('users: one who is removed is refused by every worker within a second', async () => {
    const { server, users } = await open('users', rulesOf(rule('authenticated', 'pull')))
    try {
      assert.deepEqual([...(await statuses(server, 'bob'))], [404])
      writeFileSync(users, `alice:${hashed}\n`)
      await withinASecond(server, 'bob', 401)
      assert.deepEqual([...(await statuses(server, 'alice'))], [404])
    } finally {
      await server.stop()
    }
  })
})

suite('a reload of settings', () => {
  const quiet = { debug() {}, info() {}, warn() {}, error() {} }
  const settingsOf = async (flags: Readonly<Record<string, unknown>>): Promise<Settings> =>
    (await resolveSettings({ flags, env: {}, file: undefined, cores: 2 })).settings
  const alice = [{ who: 'alice', repositories: '**', actions: 'pull' }]

  /** A reload over a file of its own, whose content `after` replaces; the file has changed since the start read it. */
  async function reloadOf(
    before: Settings,
    after: () => Promise<Settings>,
    {
      record = () => Promise.resolve(),
      hasChanged = true,
    }: { readonly record?: () => Promise<void>; readonly hasChanged?: boolean } = {},
  ): Promise<{ readonly reload: SettingsReload; readonly applied: Settings[]; readonly lines: string[] }> {
    const file = join(mkdtempSync(join(root, 'unit-')), 'trow.yaml')
    writeFileSync(file, '')
    const mark = markOrReason(file)
    if (hasChanged) writeFileSync(file, '# longer')
    const applied: Settings[] = []
    const lines: string[] = []
    const say = (message: string, fields?: object): void =>
      void lines.push(`${message} ${JSON.stringify(fields)}`)
    const reload = new SettingsReload({
      file: { path: file, mark },
      settings: before,
      reread: after,
      record,
      apply: (settings) => Promise.resolve(void applied.push(settings)),
      log: { ...quiet, info: say, warn: say, error: say },
      now: Date.now,
    })
    return { reload, applied, lines }
  }

  test('applies nothing before the audit record is written, and tries again', async () => {
    let tries = 0
    const after = await settingsOf({ access: alice, 'allow-missing': true })
    const { reload, applied, lines } = await reloadOf(
      await settingsOf({ access: alice }),
      () => Promise.resolve(after),
      {
        record: () => {
          tries++
          assert.equal(applied.length, 0)
          return tries < 3 ? Promise.reject(new Error('the disk is full')) : Promise.resolve()
        },
      },
    )
    await eventually(() => Promise.resolve(assert.equal(applied.length, 1)), 10_000)
    await reload.close()
    assert.equal(tries, 3)
    assert.equal(applied[0]?.['allow-missing'], true)
    assert.equal(lines.filter((line) => line.includes('the disk is full')).length, 1)
  })

  test('reads the file again if it has changed since the start read it, and else not', async () => {
    const [before, after] = [
      await settingsOf({ 'fsck-rate': '1MiB' }),
      await settingsOf({ 'fsck-rate': '2MiB' }),
    ]
    for (const hasChanged of [true, false]) {
      let reads = 0
      const read = (): Promise<Settings> => Promise.resolve((reads++, after))
      const { reload, applied } = await reloadOf(before, read, { hasChanged })
      if (hasChanged) await eventually(() => Promise.resolve(assert.equal(applied.length, 1)), 5000)
      // Longer than between two looks at the file.
      else await sleep(1000)
      await reload.close()
      assert.equal(reads, hasChanged ? 1 : 0)
    }
  })

  test('rules that turn the control of access on or off wait for a restart', async () => {
    const open = await settingsOf({})
    const closed = await settingsOf({ access: alice })
    for (const [before, after] of [
      [open, closed],
      [closed, open],
    ] as const) {
      const { reload, applied, lines } = await reloadOf(before, () => Promise.resolve(after))
      await eventually(() => Promise.resolve(assert.match(lines.join(), /need a restart.*access/)), 5000)
      await reload.close()
      assert.equal(applied.length, 0)
    }
  })
})
