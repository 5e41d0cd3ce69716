import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { missing } from '../requirements.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { runTrow, startedServer, startServer, type ServerProcess } from '../support/server-process.ts'

const skip = missing('initdb', 'postgres')
const root = mkdtempSync(join(tmpdir(), 'trow-serve-postgres-'))
after(() => rmSync(root, { recursive: true, force: true }))

const digestOf = (bytes: string): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

async function push(server: ServerProcess, text: string): Promise<Response> {
  const config = `{"of":"${text}"}`
  const begun = await fetch(`${server.url}/v2/team/app/blobs/uploads/?digest=${digestOf(config)}`, {
    method: 'POST',
    body: config,
  })
  if (begun.status !== 201) return begun
  const body = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: digestOf(config),
      size: config.length,
    },
    layers: [],
  })
  return fetch(`${server.url}/v2/team/app/manifests/${text}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
    body,
  })
}

const pull = (server: ServerProcess, tag: string): Promise<Response> =>
  fetch(`${server.url}/v2/team/app/manifests/${tag}`)

suite('trow serve with its metadata in PostgreSQL', { skip }, () => {
  let postgres: PostgresServer | undefined
  const server = async (): Promise<PostgresServer> => (postgres ??= await PostgresServer.start())
  after(() => postgres?.stop())

  test('keeps what it was given over restarts, with the commands that belong to it', async () => {
    const url = await (await server()).newDatabase()
    const data = join(root, 'kept')
    const args = ['--database', url, '--audit', 'on', '--workers', '2']
    const first = await startedServer({ data, args })
    assert.equal((await push(first, 'one')).status, 201)
    assert.equal((await pull(first, 'one')).status, 200)
    const named = ['--data', data, '--database', url]
    const audited = await runTrow(['audit', 'query', '--data', data])
    assert.match(audited.output, /team\/app/)
    const made = await runTrow([
      'robot',
      'create',
      'ci',
      '--repository',
      '**',
      '--action',
      'pull',
      '--data',
      data,
    ])
    assert.equal(made.code, 0, made.output)
    assert.equal((await runTrow(['gc', '--data', data])).code, 0)
    const backups = [join(root, 'served.tar'), join(root, 'stopped.tar')] as const
    const served = await runTrow(['backup', backups[0], '--data', data])
    assert.equal(served.code, 0, served.output)
    await first.stop()

    assert.equal(existsSync(join(data, 'trow.db')), false)
    for (const command of ['gc', 'fsck']) {
      const { code, output } = await runTrow([command, ...named])
      assert.equal(code, 0, output)
    }
    assert.match((await runTrow(['robot', 'list', ...named])).output, /ci/)
    const verified = await runTrow(['audit', 'verify', ...named])
    assert.equal(verified.code, 0, verified.output)
    const stopped = await runTrow(['backup', backups[1], ...named])
    assert.equal(stopped.code, 0, stopped.output)
    for (const [index, file] of backups.entries()) {
      const folder = join(root, `restored-${index}`)
      const restored = await runTrow(['restore', file, '--data', folder])
      assert.equal(restored.code, 0, restored.output)
      assert.match((await runTrow(['robot', 'list', '--data', folder])).output, /ci/)
    }
    const full = await runTrow(['restore', backups[0], '--data', join(root, 'full'), '--database', url])
    assert.match(full.output, /the database holds a registry already/)
    assert.equal(existsSync(join(root, 'full')), false)
    const second = await startedServer({ data, args })
    assert.equal((await pull(second, 'one')).status, 200)
    assert.equal((await push(second, 'two')).status, 201)
    await second.stop()
  })

  test('refuses a folder and a database that do not belong together, and changes neither', async () => {
    const [url, other] = [await (await server()).newDatabase(), await (await server()).newDatabase()]
    const data = join(root, 'belongs')
    const first = await startedServer({ data, args: ['--database', url] })
    assert.equal((await push(first, 'one')).status, 201)
    await first.stop()
    const refused = async (folder: string, args: readonly string[], words: RegExp): Promise<void> => {
      const started = await startServer({ data: folder, args })
      if (!('died' in started)) await started.stop()
      assert.match('died' in started ? started.died : 'it started', words)
    }
    const large = join(root, 'large')
    await refused(data, [], /metadata is in PostgreSQL/)
    await refused(large, ['--database', url], /does not hold the blobs/)
    assert.equal(existsSync(large), false)
    const sqlite = join(root, 'sqlite')
    await (await startedServer({ data: sqlite })).stop()
    await refused(sqlite, ['--database', other], /metadata is in the folder itself/)
    const again = await startedServer({ data, args: ['--database', url] })
    await refused(data, ['--database', url], /in use by another trow/)
    assert.equal((await pull(again, 'one')).status, 200)
    await again.stop()
  })

  test('takes no password but from a file, and shows none', async () => {
    const secret = 'tell-nobody'
    const config = ['serve', '--print-config', '--data', join(root, 'none')]
    for (const url of [`postgres://u:${secret}@db/x`, `postgres://u@db/x?password=${secret}`]) {
      const { code, output } = await runTrow([...config, '--database', url])
      assert.equal(code, 2)
      assert.match(output, /--database-password-file/)
      assert.doesNotMatch(output, new RegExp(secret))
    }
    const file = join(root, 'password')
    writeFileSync(file, secret)
    const named = ['--database', 'postgres://u@db/x?sslmode=require', '--database-password-file', file]
    const { code, output } = await runTrow([...config, ...named])
    assert.equal(code, 0, output)
    assert.match(output, /database: "?postgres:\/\/u@db\/x\?sslmode=require/)
    assert.doesNotMatch(output, new RegExp(secret))
    for (const url of ['mysql://u@db/x', 'postgres://db/x', 'postgres://u@db/', 'postgres://u@db/x?a=b', 'postgres://u@db/x?sslmode=maybe'])
      assert.equal((await runTrow([...config, '--database', url])).code, 2, url) // prettier-ignore
    const alone = await runTrow(['serve', '--data', join(root, 'none'), '--database-password-file', file])
    assert.equal(alone.code, 2, alone.output)
  })

  test(
    'stays ready without its database, refuses pushes meanwhile, and goes on',
    { timeout: 120_000 },
    async () => {
      const own = await PostgresServer.start()
      try {
        const url = await own.newDatabase()
        const trow = await startedServer({
          data: join(root, 'away'),
          args: ['--database', url, '--workers', '1'],
        })
        assert.equal((await push(trow, 'one')).status, 201)
        assert.equal((await fetch(`${trow.url}/readyz`)).status, 200)
        await own.end()
        const refused = await push(trow, 'two')
        assert.equal(refused.status, 503)
        assert.ok(refused.headers.has('retry-after'))
        const since = performance.now()
        assert.equal((await fetch(`${trow.url}/readyz`)).status, 200)
        assert.ok(performance.now() - since < 4000)
        await own.begin()
        for (let tries = 0; (await push(trow, 'two')).status !== 201; tries++) {
          assert.ok(tries < 50)
          await sleep(100)
        }
        assert.equal((await pull(trow, 'two')).status, 200)
        await trow.stop()

        await own.end()
        const unready = await startServer({ data: join(root, 'away'), args: ['--database', url] })
        assert.match('died' in unready ? unready.died : 'it started', /no PostgreSQL can be reached/)
      } finally {
        await own.stop()
      }
    },
  )
})
