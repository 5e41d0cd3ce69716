import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { appendFileSync, globSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, before, suite, test } from 'node:test'
import { checkLines, checkResult } from '../../support/check-result.ts'
import { runCommand } from '../../support/run-trow.ts'
import { startedServer, type ServerProcess } from '../../support/server-process.ts'

const root = mkdtempSync(join(tmpdir(), 'trow-counts-'))
after(() => rmSync(root, { recursive: true, force: true }))
const data = join(root, 'data')
const sha256 = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

async function pushBlob(
  { url }: ServerProcess,
  repository: string,
  body: Buffer<ArrayBuffer>,
): Promise<string> {
  const path = `${url}/v2/${repository}/blobs/uploads/?digest=${sha256(body)}`
  assert.equal((await fetch(path, { method: 'POST', body })).status, 201)
  return sha256(body)
}

async function pushImage(
  server: ServerProcess,
  repository: string,
  layer: Buffer<ArrayBuffer>,
): Promise<void> {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const config = Buffer.from(JSON.stringify({ os: 'linux', architecture: 'amd64', repository }))
  const descriptors = [config, layer].map((body) => ({ digest: sha256(body), size: body.length }))
  for (const body of [config, layer]) await pushBlob(server, repository, body)
  const body = JSON.stringify({
    schemaVersion: 2,
    mediaType,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...descriptors[0] },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...descriptors[1] }],
  })
  const headers = { 'content-type': mediaType }
  const put = await fetch(`${server.url}/v2/${repository}/manifests/1`, { method: 'PUT', body, headers })
  assert.equal(put.status, 201)
}

/** What `trow fsck` and `trow restore` say of the folder, which must be the same. */
async function contentsOf(name: string): Promise<{ blobs: number; bytes: number; manifests: number }> {
  const file = join(root, `${name}.tar`)
  const folder = join(root, name)
  const run = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runCommand([...args, '-o', 'json'])
    assert.equal(code, 0, stderr)
    return stdout
  }
  const found = [
    checkResult('StorageCheck', await run('fsck', '--data', data)),
    checkResult('Backup', await run('backup', '--data', data, file)),
    checkResult('Restore', await run('restore', '--data', folder, file)),
    checkResult('StorageCheck', await run('fsck', '--data', folder)),
  ].map(({ blobs, bytes, manifests }) => ({ blobs, bytes, manifests }))
  for (const each of found) assert.deepEqual(each, found[0])
  return found[0] ?? assert.fail()
}

/** What a collection prints that nothing holds back: one after a pause is, for a grace period. */
async function collected(output: string): Promise<string> {
  for (;;) {
    const { code, stdout, stderr } = await runCommand([
      'gc',
      '--data',
      data,
      '--gc-grace',
      '1s',
      '-o',
      output,
    ])
    assert.equal(code, 0, stderr)
    if (!/suspendedUntil|nothing is deleted before/.test(stdout)) return stdout
    await sleep(200)
  }
}

suite('counts of one folder', () => {
  const layer = randomBytes(200_000)
  const left = [randomBytes(300_000), randomBytes(50)]

  before(async () => {
    const server = await startedServer({ data })
    // The layer is in two repositories, and is one blob; a blob of 50 bytes is in the metadata.
    for (const repository of ['a', 'b/c']) await pushImage(server, repository, layer)
    for (const blob of left) await pushBlob(server, 'a', blob)
    await server.stop()
    // Longer than the grace period: what nothing needs is old enough.
    await sleep(1100)
  })

  test('fsck, backup, restore and gc say the same of the same', async () => {
    const first = await contentsOf('first')
    assert.deepEqual([first.blobs, first.manifests], [5, 2])
    const condemning = checkResult('GarbageCollection', await collected('json'))
    assert.deepEqual([condemning.removed.blobs, condemning.removed.blobLinks], [0, 2])
    assert.deepEqual(condemning.condemned, { blobs: 2, bytes: 300_050 })
    assert.deepEqual(await contentsOf('condemned'), first, 'what is condemned is there')
    const { isDryRun, removed, items } = checkResult('GarbageCollection', await collected('json'))
    assert.deepEqual([isDryRun, items?.length], [false, 2])
    const second = await contentsOf('second')
    for (const name of ['blobs', 'bytes', 'manifests'] as const)
      assert.equal(second[name], first[name] - removed[name], name)
    assert.deepEqual([removed.blobs, removed.bytes], [2, 300_050])
  })

  test('the words for people are the same too, and the lines come one by one', async () => {
    const { stdout } = await runCommand(['fsck', '--data', data])
    assert.match(stdout, /^3 blobs \(200 kB\) and 2 manifests checked: all is well\n$/)
    const restored = await runCommand(['restore', '--data', join(root, 'words'), join(root, 'second.tar')])
    assert.match(restored.stdout, /^restored 3 blobs \(200 kB\) and 2 manifests into /)
    assert.match(await collected('text'), /^took 0 blobs \(0 B\) and 0 manifests$/m)
    const [file = ''] = globSync('second/blobs/*/*', { cwd: root })
    appendFileSync(join(root, file), 'x')
    const damaged = await runCommand(['fsck', '--data', join(root, 'second'), '-o', 'jsonl'])
    assert.equal(damaged.code, 79)
    const [problem = '', summary = ''] = damaged.stdout.split('\n')
    assert.equal(checkLines('StorageProblem', problem)[0]?.problem, 'blob-size')
    assert.deepEqual([checkResult('StorageCheck', summary).found, damaged.stderr], [1, ''])
  })

  test('lines of a collection end with what they come to', async () => {
    const server = await startedServer({ data })
    await pushBlob(server, 'a', randomBytes(10))
    await server.stop()
    await sleep(1100)
    const lines = (await collected('jsonl')).trimEnd().split('\n')
    const items = checkLines('GarbageItem', lines.slice(0, -1).join('\n'))
    assert.deepEqual(
      items.map(({ action }) => action),
      ['unlinked', 'condemned'],
    )
    assert.equal(checkResult('GarbageCollection', lines.at(-1) ?? '').condemned.blobs, 1)
  })
})
