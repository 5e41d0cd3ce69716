import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { missing } from '../../requirements.ts'
import { s3Env, s3Programs, startS3Server, type S3Server } from '../../support/s3-server.ts'
import { runTrow, startedServer, type ServerProcess } from '../../support/server-process.ts'

const sha256 = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

suite('a registry whose blobs are in a bucket', { skip: missing(...s3Programs) }, () => {
  const root = mkdtempSync(join(tmpdir(), 'trow-serve-s3-'))
  let s3: S3Server
  let registry: string
  let restored: string
  const servers = new Set<ServerProcess>()
  before(async () => {
    s3 = await startS3Server()
    registry = await s3.bucket('registry')
    restored = await s3.bucket('restored')
  })
  after(async () => {
    for (const server of servers) await server.stop()
    await s3.stop()
    rmSync(root, { recursive: true })
  })

  const bucketArgs = (bucket: string): string[] => [`--s3=s3://${bucket}/sub`, '--s3-endpoint', s3.endpoint]
  const blobsOf = (bucket: string): Promise<string[]> => s3.names(bucket, 'sub/blobs/')

  async function serve(data: string, args: readonly string[]): Promise<ServerProcess> {
    const server = await startedServer({
      data: join(root, data),
      args: [...args, '--workers', '2'],
      env: s3Env,
    })
    servers.add(server)
    return server
  }

  async function stop(server: ServerProcess): Promise<void> {
    await server.stop()
    servers.delete(server)
  }

  async function openUpload(url: string): Promise<string> {
    const opened = await fetch(`${url}/v2/test/image/blobs/uploads/`, { method: 'POST' })
    assert.equal(opened.status, 202)
    return new URL(opened.headers.get('location') ?? '', url).href
  }

  async function push(url: string, content: Buffer): Promise<string> {
    const upload = await openUpload(url)
    const digest = sha256(content)
    const patched = await fetch(upload, { method: 'PATCH', body: content })
    assert.equal(patched.status, 202)
    const closed = await fetch(
      `${new URL(patched.headers.get('location') ?? '', url).href}?digest=${digest}`,
      { method: 'PUT' },
    )
    assert.equal(closed.status, 201)
    return digest
  }

  async function pull(url: string, digest: string, range?: string): Promise<Buffer> {
    const got = await fetch(`${url}/v2/test/image/blobs/${digest}`, {
      headers: range === undefined ? {} : { range },
    })
    assert.ok(got.ok, `${got.status}`)
    return Buffer.from(await got.arrayBuffer())
  }

  test('is pushed to and pulled from as any, and no blob is in its folder', async () => {
    const server = await serve('plain', bucketArgs(registry))
    const small = Buffer.from('{"config": true}')
    const large = randomBytes(12_000_000)
    const chunks = [randomBytes(6_000_000), randomBytes(5_500_000), randomBytes(70_000)]
    const [config, layer] = [await push(server.url, small), await push(server.url, large)]
    assert.equal((await blobsOf(registry)).length, 1)

    // A client of chunks, one of which is small.
    let location = await openUpload(server.url)
    let offset = 0
    for (const chunk of chunks) {
      const headers = { 'content-range': `${offset}-${offset + chunk.length - 1}` }
      const patched = await fetch(location, { method: 'PATCH', body: chunk, headers })
      assert.equal(patched.status, 202)
      location = new URL(patched.headers.get('location') ?? '', server.url).href
      offset += chunk.length
    }
    const chunked = sha256(Buffer.concat(chunks))
    assert.equal((await fetch(`${location}?digest=${chunked}`, { method: 'PUT' })).status, 201)
    assert.ok((await pull(server.url, chunked)).equals(Buffer.concat(chunks)))
    assert.equal((await blobsOf(registry)).length, 2)

    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.example', digest: config, size: small.length },
      layers: [layer, chunked].map((digest, index) => ({
        mediaType: 'application/vnd.example',
        digest,
        size: [large.length, offset][index],
      })),
    })
    const put = await fetch(`${server.url}/v2/test/image/manifests/1`, {
      method: 'PUT',
      body: manifest,
      headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
    })
    assert.equal(put.status, 201)
    assert.ok((await pull(server.url, layer)).equals(large))
    assert.ok((await pull(server.url, layer, 'bytes=100-8999999')).equals(large.subarray(100, 9_000_000)))
    assert.ok(!existsSync(join(root, 'plain', 'blobs')))
    await stop(server)

    // The folder remembers its bucket.
    const sends = await serve('plain', ['--s3-redirect'])
    const sent = await fetch(`${sends.url}/v2/test/image/blobs/${layer}`, { redirect: 'manual' })
    assert.equal(sent.status, 307)
    const url = new URL(sent.headers.get('location') ?? '')
    assert.equal(url.origin, s3.endpoint)
    const range = await fetch(url, { headers: { range: 'bytes=5-9' } })
    assert.ok(Buffer.from(await range.arrayBuffer()).equals(large.subarray(5, 10)))
    assert.ok((await pull(sends.url, layer)).equals(large))
    const head = await fetch(`${sends.url}/v2/test/image/blobs/${layer}`, {
      method: 'HEAD',
      redirect: 'manual',
    })
    assert.equal(head.status, 200)
    assert.equal(
      await (await fetch(`${sends.url}/v2/test/image/blobs/${config}`, { redirect: 'manual' })).text(),
      small.toString(),
    )
    await stop(sends)

    const again = await serve('plain', ['--cache-size', '1GiB'])
    assert.ok((await pull(again.url, layer, 'bytes=100-8999999')).equals(large.subarray(100, 9_000_000)))
    assert.match(again.output(), /blobs are kept in a bucket/)
    assert.ok((await pull(again.url, layer)).equals(large))
    assert.ok(!again.output().includes(s3Env.AWS_SECRET_ACCESS_KEY))
    assert.equal(readdirSync(join(root, 'plain', 'cache')).length, 1)
    await stop(again)

    const checked = await trow(['fsck', '--data', join(root, 'plain')])
    assert.equal(checked.code, 0, checked.output)

    const file = join(root, 'backup.tar')
    const backup = await trow(['backup', '--data', join(root, 'plain'), file])
    assert.equal(backup.code, 0, backup.output)
    const used = await trow(['restore', '--data', join(root, 'back'), ...bucketArgs(registry), file])
    assert.match(used.output, /belongs to another registry/)
    const brought = await trow(['restore', '--data', join(root, 'back'), ...bucketArgs(restored), file])
    assert.equal(brought.code, 0, brought.output)
    assert.equal((await blobsOf(restored)).length, 2)
    const other = await serve('back', [])
    assert.ok((await pull(other.url, chunked)).equals(Buffer.concat(chunks)))
    await stop(other)
  })

  function trow(args: readonly string[]): ReturnType<typeof runTrow> {
    return runTrow(args, { env: s3Env })
  }
})
