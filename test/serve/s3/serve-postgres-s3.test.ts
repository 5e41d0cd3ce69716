import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { missing } from '../../requirements.ts'
import { PostgresServer } from '../../support/postgres-server.ts'
import { s3Env, s3Programs, startS3Server, type S3Server } from '../../support/s3-server.ts'
import { runTrow, startedServer, startServer, type ServerProcess } from '../../support/server-process.ts'

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

const skip = missing(...s3Programs, 'initdb', 'postgres')

suite('a registry whose metadata is in PostgreSQL and whose blobs are in a bucket', { skip }, () => {
  const root = mkdtempSync(join(tmpdir(), 'trow-serve-postgres-s3-'))
  let s3: S3Server
  let postgres: PostgresServer
  before(async () => {
    s3 = await startS3Server()
    postgres = await PostgresServer.start()
  })
  after(async () => {
    await postgres.stop()
    await s3.stop()
    rmSync(root, { recursive: true })
  })

  async function placesOf(
    name: string,
  ): Promise<{ data: string; database: string; bucket: string; args: string[] }> {
    const bucket = await s3.bucket(name)
    const database = await postgres.newDatabase()
    const args = ['--database', database, `--s3=s3://${bucket}/sub`, '--s3-endpoint', s3.endpoint]
    return { data: join(root, name), database, bucket, args }
  }
  const blobsOf = (bucket: string): Promise<string[]> => s3.names(bucket, 'sub/blobs/')
  const serve = (data: string, args: readonly string[]): Promise<ServerProcess> =>
    startedServer({ data, args: [...args, '--workers', '2'], env: s3Env })
  const blobUrl = ({ url }: ServerProcess, digest: string): string => `${url}/v2/test/image/blobs/${digest}`

  /** By chunks, so that what the store keeps of the upload goes through the metadata. */
  async function push({ url }: ServerProcess, chunks: readonly Buffer[]): Promise<string> {
    const opened = await fetch(`${url}/v2/test/image/blobs/uploads/`, { method: 'POST' })
    assert.equal(opened.status, 202)
    let location = new URL(opened.headers.get('location') ?? '', url).href
    let offset = 0
    for (const body of chunks) {
      const headers = { 'content-range': `${offset}-${offset + body.length - 1}` }
      const patched = await fetch(location, { method: 'PATCH', body, headers })
      assert.equal(patched.status, 202)
      location = new URL(patched.headers.get('location') ?? '', url).href
      offset += body.length
    }
    const digest = digestOf(Buffer.concat(chunks))
    assert.equal((await fetch(`${location}?digest=${digest}`, { method: 'PUT' })).status, 201)
    return digest
  }

  async function pull(server: ServerProcess, digest: string): Promise<Buffer> {
    const got = await fetch(blobUrl(server, digest))
    assert.equal(got.status, 200)
    return Buffer.from(await got.arrayBuffer())
  }

  test('is pushed to and pulled from as any, over restarts, with the commands that belong to it', async () => {
    const { data, database, bucket, args } = await placesOf('registry')
    const chunks = [randomBytes(6_000_000), randomBytes(5_500_000), randomBytes(70_000)]
    const first = await serve(data, args)
    const digest = await push(first, chunks)
    assert.ok((await pull(first, digest)).equals(Buffer.concat(chunks)))
    assert.equal((await fetch(`${first.url}/readyz/write`)).status, 200)
    await first.stop()
    assert.equal((await blobsOf(bucket)).length, 1)
    assert.ok(!existsSync(join(data, 'blobs')) && !existsSync(join(data, 'trow.db')))

    // The folder remembers its bucket, but no address of a database.
    const named = ['--data', data, '--database', database]
    const checked = await runTrow(['fsck', ...named], { env: s3Env })
    assert.equal(checked.code, 0, checked.output)
    const second = await serve(data, ['--database', database])
    assert.ok((await pull(second, digest)).equals(Buffer.concat(chunks)))
    assert.equal((await fetch(blobUrl(second, digest), { method: 'DELETE' })).status, 202)
    await second.stop()

    const collect = async (delay: string): Promise<string> => {
      const { code, output } = await runTrow(['gc', ...named, '--delete-delay', delay], { env: s3Env })
      assert.equal(code, 0, output)
      return output
    }
    assert.match(await collect('1h'), /condemned: blob/)
    assert.match(await collect('1h'), /deleted: blob/)
    assert.equal((await blobsOf(bucket)).length, 1)
    assert.match(await collect('0s'), /removed 1 file/)
    assert.equal((await blobsOf(bucket)).length, 0)
  })

  test('refuses a bucket with the folder of another database, and leaves its blobs', async () => {
    const { data, bucket, args } = await placesOf('belongs')
    const first = await serve(data, args)
    await push(first, [randomBytes(100_000)])
    await first.stop()
    const mark = readFileSync(join(data, 'database-id'), 'utf8')

    const refused = async (folder: string, given: readonly string[], words: RegExp): Promise<void> => {
      const started = await startServer({ data: folder, args: given, env: s3Env })
      if (!('died' in started)) await started.stop()
      assert.match('died' in started ? started.died : 'it started', words)
    }
    const other = await postgres.newDatabase()
    await refused(data, ['--database', other], /belongs to a registry in another database/)
    await refused(data, [], /metadata is in PostgreSQL/)
    const named = args.slice(2)
    await refused(join(root, 'new'), ['--database', other, ...named], /belongs to another registry/)
    writeFileSync(join(data, 'database-id'), 'of another\n')
    await refused(data, args, /another database/)
    writeFileSync(join(data, 'database-id'), mark)
    assert.equal((await blobsOf(bucket)).length, 1)
    await (await serve(data, args)).stop()
  })
})
