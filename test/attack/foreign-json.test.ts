import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { z } from 'zod'
import { ForeignJsonError, parseForeignJson, tryForeignJson } from '../../src/foreign-json.ts'
import { restore } from '../../src/registry/restore.ts'
import { EngineApi } from '../../src/trust/docker/engine-api.ts'
import { runCommand } from '../support/run-trow.ts'

// JSON of a registry, an engine or a backup is checked against a size limit and a schema before it is used.

const sha256 = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`
const imageType = 'application/vnd.oci.image.manifest.v1+json'

function manifestOf(config: string): string {
  const descriptor = {
    mediaType: 'application/vnd.oci.image.config.v1+json',
    digest: sha256(config),
    size: config.length,
  }
  return JSON.stringify({ schemaVersion: 2, mediaType: imageType, config: descriptor, layers: [] })
}

const strange = JSON.stringify({
  created: 12_345,
  os: { toString: 1 },
  architecture: ['amd64'],
  variant: null,
})
const fine = JSON.stringify({ created: '2026-01-02T03:04:05Z', os: 'linux', architecture: 'arm64' })
const manifests: Readonly<Record<string, string>> = {
  strange: manifestOf(strange),
  fine: manifestOf(fine),
  broken: '{"schemaVersion":2,"layers":12}',
}
const answers: Readonly<Record<string, string>> = {
  '/v2/a/tags/list?n=100': JSON.stringify({ name: 'a', tags: ['strange', 'broken', 'fine', 'not a tag'] }),
  '/v2/b/tags/list?n=100': JSON.stringify({ tags: [1] }),
  '/v2/c/tags/list?n=100': '[]',
  '/v2/_trow/repositories/figures?n=1000': JSON.stringify({ repositories: [{ name: 'a', tags: -1 }] }),
  '/v2/_catalog?n=1000': JSON.stringify({ repositories: { length: 4 } }),
  [`/v2/a/blobs/${sha256(strange)}`]: strange,
  [`/v2/a/blobs/${sha256(fine)}`]: fine,
  [`/v2/a/referrers/${sha256(manifests['fine']!)}`]: JSON.stringify({ manifests: [{ digest: 7 }] }),
}

const registry: RequestListener = ({ url = '' }, response) => {
  const [, reference = ''] = /^\/v2\/a\/manifests\/(.*)$/.exec(url) ?? []
  const manifest = manifests[reference]
  const body = manifest ?? answers[url]
  response.writeHead(body === undefined ? 404 : 200, {
    'content-type': manifest === undefined ? 'application/json' : imageType,
  })
  response.end(body ?? '{"errors":{"message":7}}')
}

suite('JSON of others', () => {
  const server = createServer(registry)
  let host = ''
  let folder = ''
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'trow-json-'))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(() => {
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('one image with a strange config, or none that can be read, does not end the list', async () => {
    const { code, stdout, stderr } = await runCommand(['list', `${host}/a`])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^strange +sha256:\S+ +\S+ B +- +-$/m)
    assert.match(stdout, /^broken .*is no manifest that can be shown/m)
    assert.match(stdout, /^not a tag /m)
    assert.match(stdout, /^fine +sha256:\S+ +\S+ B +linux\/arm64 +2026-01-02$/m)
  })

  test('an image with a strange config is shown without it', async () => {
    const { code, stdout, stderr } = await runCommand(['inspect', `${host}/a:strange`])
    assert.equal(code, 0, stderr)
    assert.doesNotMatch(stdout, /platforms|created/)
  })

  const refused: readonly (readonly [what: string, code: RegExp, ...args: string[]])[] = [
    ['a tag that is a number', /REGISTRY_FAILED/, 'list', 'b'],
    ['a list that is none', /REGISTRY_FAILED/, 'list', 'c'],
    ['a catalogue that is none', /REGISTRY_FAILED/, 'list', ''],
    ['a referrer without a digest', /REGISTRY_FAILED/, 'inspect', 'a:fine'],
    ['a manifest that is none', /MANIFEST_UNREADABLE/, 'inspect', 'a:broken'],
  ]
  for (const [what, expected, verb = '', name] of refused) {
    test(`${what} is a fault of the registry, not a bug of ours`, async () => {
      const { code, stderr } = await runCommand([verb, name === '' ? host : `${host}/${name}`])
      assert.equal(code, 1)
      assert.match(stderr, expected)
      assert.doesNotMatch(stderr, /This is a bug/)
    })
  }

  test('an engine whose answers are of other types', async () => {
    const engine = createServer((_, response) => response.end('{"Architecture":7,"RegistryConfig":[]}'))
    engine.listen(0, '127.0.0.1')
    await once(engine, 'listening')
    const api = new EngineApi(`tcp://127.0.0.1:${(engine.address() as AddressInfo).port}`)
    try {
      assert.equal(await api.info(), undefined)
    } finally {
      await api.close()
      engine.close()
    }
  })

  test('the head of a backup, and the names in it, are bounded', async () => {
    const target = {
      blobs: undefined as never,
      metadataFormat: 'sqlite',
      placeMetadata: () => Promise.reject(new Error('not reached')),
    }
    const before = process.memoryUsage().rss
    for (const type of ['0', 'x', 'L', 'g']) {
      let sent = 0
      async function* source(): AsyncGenerator<Uint8Array> {
        yield tarHeader('trow-backup.json', 300_000_000, type)
        const chunk = Buffer.alloc(65_536, 'a')
        for (; sent < 300_000_000; sent += chunk.length) yield chunk
      }
      await assert.rejects(restore(source(), target), { code: 'BACKUP_INVALID' }, type)
      assert.ok(sent < 16_000_000, `${type}: ${sent} bytes were read`)
    }
    assert.ok(process.memoryUsage().rss - before < 200_000_000)
    for (const head of [
      '{}',
      '[]',
      '7',
      'null',
      '{"version":"1","metadataFormat":"sqlite","createdAt":""}',
    ]) {
      const file = Buffer.concat([
        tarHeader('trow-backup.json', head.length, '0'),
        Buffer.from(head.padEnd(512, '\0')),
        Buffer.alloc(1024),
      ])
      await assert.rejects(restore([file] as unknown as AsyncIterable<Uint8Array>, target), {
        code: 'BACKUP_INVALID',
      })
    }
  })

  test('an error names the place and never what stood there', () => {
    const schema = z.object({ auths: z.array(z.object({ secret: z.number() })) })
    const read = (text: string) => () => parseForeignJson(text, schema, 100)
    assert.throws(read('{"auths":[{"secret":"hunter2"}]}'), (error: ForeignJsonError) => {
      assert.equal(error.message, 'auths[0].secret is not a number')
      return true
    })
    assert.throws(read('hunter2'), { message: 'it is no JSON' })
    assert.throws(read(`{"auths":[],"x":"${'y'.repeat(100)}"}`), { message: 'it has more than 100 bytes' })
    assert.equal(tryForeignJson('{"__proto__":{"auths":[]}}', schema), undefined)
  })
})

/** A header of POSIX.1-1988 ustar. */
function tarHeader(name: string, size: number, type: string): Buffer {
  const header = Buffer.alloc(512)
  header.write(name)
  header.write('0000644\0', 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  header.write('00000000000\0', 136)
  header.write('        ', 148)
  header.write(type, 156)
  header.write('ustar\x0000', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}
