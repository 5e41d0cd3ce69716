import assert from 'node:assert/strict'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, suite, test } from 'node:test'
import { hashPassword } from '../../src/access/bcrypt.ts'
import { queryAt } from '../support/postgres-server.ts'
import { s3Env } from '../support/s3-server.ts'
import { runTrow, type ServerProcess } from '../support/server-process.ts'
import { eventually } from '../audit/fixture.ts'
import { SharedRegistry, skipReplicas, type Place } from './shared-registry.ts'

const hashed = await hashPassword('secret', 4)

interface Event {
  readonly type: string
  readonly data: { readonly reference?: string; readonly actor?: { readonly user?: string } }
}

suite('the audit log of a registry that several processes serve', { skip: skipReplicas }, () => {
  let registry: SharedRegistry
  before(async () => {
    registry = await SharedRegistry.start()
  })
  afterEach(() => registry.end())
  after(() => registry.stop())

  /** Alice may do everything in team/**, bob nothing. */
  const args = (name: string): string[] => {
    const folder = registry.folder(`${name}-files`)
    mkdirSync(folder, { recursive: true })
    const [users, file] = [join(folder, 'users'), join(folder, 'trow.yaml')]
    writeFileSync(users, `alice:${hashed}\nbob:${hashed}\n`)
    writeFileSync(
      file,
      'access:\n  - who: [alice]\n    repositories: [team/**]\n    actions: [pull, push, delete]\n',
    )
    return ['--htpasswd', users, '--config', file]
  }
  const as = (user: string): Record<string, string> => ({
    authorization: `Basic ${Buffer.from(`${user}:secret`).toString('base64')}`,
  })
  const pull = async (server: ServerProcess, user: string, tag: string): Promise<number> => {
    const reply = await fetch(`${server.url}/v2/team/app/manifests/${tag}`, { headers: as(user) })
    await reply.body?.cancel()
    return reply.status
  }
  const push = async (server: ServerProcess, tag: string): Promise<number> => {
    const reply = await fetch(`${server.url}/v2/team/app/manifests/${tag}`, {
      method: 'PUT',
      headers: { ...as('alice'), 'content-type': 'application/vnd.oci.image.index.v1+json' },
      body: JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.index.v1+json',
        manifests: [],
        annotations: { tag },
      }),
    })
    await reply.body?.cancel()
    return reply.status
  }
  const query = async (flags: readonly string[]): Promise<Event[]> => {
    const { code, output } = await runTrow(['audit', 'query', '-o', 'jsonl', '--limit', '1000', ...flags], {
      env: s3Env,
    })
    assert.equal(code, 0, output)
    return output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Event)
  }
  const named = (place: Place, name: string): string[] => ['--data', registry.folder(name), ...place.args]

  test('changes, denials and pulls of every process are in one chain, which any of them shows', async () => {
    const place = await registry.place('one-chain')
    const names = ['chain-a', 'chain-b', 'chain-c']
    const [first = '', ...later] = names
    const servers = [
      await registry.replica(place, { name: first, args: args('chain') }),
      ...(await registry.replicas(place, later, args('chain'))),
    ]
    for (const [index, server] of servers.entries()) {
      assert.equal(await push(server, `t${index}`), 201)
      assert.equal(await pull(server, 'alice', `t${index}`), 200)
      assert.equal(await pull(server, 'bob', `d${index}`), 403)
    }
    const has = async (flags: readonly string[]): Promise<string[]> =>
      (await query(flags))
        .filter(({ type }) => /^io\.trow\.(push|pull)\./.test(type))
        .map(({ type, data }) => `${type.split('.').slice(2, 4).join(' ')} ${data.reference}`)
        .sort()
    const all = ['pull allowed t0', 'pull allowed t1', 'pull allowed t2', 'pull denied d0', 'pull denied d1', 'pull denied d2', 'push allowed t0', 'push allowed t1', 'push allowed t2'] // prettier-ignore
    for (const name of names) {
      // Their servers answer through the control socket.
      const flags = ['--data', registry.folder(name)]
      await eventually(async () => (await has(flags)).length >= all.length, 'all events')
      assert.deepEqual(await has(flags), all)
    }
    // What a process has answered is there without it.
    const [a, b] = servers
    assert.ok(a && b)
    assert.equal(await push(a, 'last'), 201)
    assert.equal(await pull(a, 'bob', 'last'), 403)
    await a.kill()
    await eventually(async () => (await has(['--data', registry.folder('chain-b')])).length === all.length + 2, 'the last') // prettier-ignore
    await registry.end()
    // No process serves it: the command reads the database and the bucket.
    assert.equal((await has(named(place, 'chain-b'))).length, all.length + 2)
    const verified = await runTrow(['audit', 'verify', ...named(place, 'chain-c')], { env: s3Env })
    assert.equal(verified.code, 0, verified.output)
    assert.match(verified.output, /changes: .* all is well/)
    for (const name of names) assert.equal(existsSync(join(registry.folder(name), 'audit')), false)
  })

  test('a denial that cannot be recorded is answered with 503', async () => {
    const place = await registry.place('away')
    const [server] = await registry.replicas(place, ['away'], args('away'))
    assert.ok(server)
    assert.equal(await pull(server, 'bob', 'one'), 403)
    await registry.postgres.end()
    try {
      assert.equal(await pull(server, 'bob', 'two'), 503)
    } finally {
      await registry.postgres.begin()
    }
    await eventually(async () => (await pull(server, 'bob', 'three')) === 403, 'the database')
    // A record is durable before its denial is answered, and joins the chain a moment later.
    await eventually(async () => {
      const denials = await query(['--data', registry.folder('away'), '--decision', 'deny'])
      const denied = denials.map(({ data }) => data.reference)
      return denied.includes('one') && denied.includes('three')
    }, 'both denials are on record')
  })

  test('a folder for the log is refused', async () => {
    const place = await registry.place('no-folder')
    const refused = await registry.refusal('no-folder', [...place.args, '--audit-folder', registry.root])
    assert.match(refused, /--audit-folder is given, and --database and --s3 keep the audit log/)
  })

  test('a bucket that does not show a segment is an error, and not a problem of the log', async () => {
    const place = await registry.place('no-right')
    await registry.replicas(place, ['no-right'], args('no-right'))
    await registry.end()
    const columns = '(log, first, last, hash, bytes, closed_at, claimed_at, state, object)'
    await queryAt(place.database, `insert into audit_segment ${columns} values ('pulls', 1, 1, '', 1, 0, 0, 'sealed', 'audit/x')`) // prettier-ignore
    await queryAt(place.database, `update audit_head set seq = 1, open_first = 2 where log = 'pulls'`)
    const env = { ...s3Env, AWS_SECRET_ACCESS_KEY: 'another' }
    const { code, output } = await runTrow(['audit', 'verify', ...named(place, 'no-right')], { env })
    assert.equal(code, 1, output)
    assert.match(output, /the audit log cannot be read now: S3 answered 403/)
    assert.match(output, /AUDIT_UNUSABLE/)
  })

  test('where there is no log, the command says so', async () => {
    const place = await registry.place('no-log')
    const { code, output } = await runTrow(['audit', 'verify', ...named(place, 'no-log')], { env: s3Env })
    assert.equal(code, 1)
    assert.match(output, /the database holds no audit log/)
    assert.match(output, /AUDIT_MISSING/)
  })
})
