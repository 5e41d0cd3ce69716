import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseManifest } from '../../src/oci/manifest.ts'
import { OciError } from '../../src/oci/oci-error.ts'
import { strictJsonSteps } from '../../src/oci/strict-json.ts'

const bytes = (value: unknown): Buffer =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))

function parseStrictJson(text: Buffer): unknown {
  const steps = strictJsonSteps(text)
  for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return step.value
}

test('strict JSON means what JSON.parse means', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), (text) => {
      assert.deepEqual(parseStrictJson(bytes(text)), JSON.parse(text))
    }),
  )
})

test('strict JSON refuses a name twice, however it is written', () => {
  for (const text of [
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061":2}',
    '[{"b":{"c":1,"c":1}}]',
    '{"a\\"":1,"a\\u0022":1}',
  ]) {
    assert.throws(() => parseStrictJson(bytes(text)), { code: 'MANIFEST_INVALID' }, text)
  }
  assert.deepEqual(parseStrictJson(bytes('{"a":"a:b","b":{"a":1}}')), { a: 'a:b', b: { a: 1 } })
})

test('strict JSON refuses deep nesting quickly', () => {
  for (const text of ['['.repeat(4_000_000), '{"a":'.repeat(500_000)]) {
    assert.throws(() => parseStrictJson(bytes(text)), { code: 'MANIFEST_INVALID' })
  }
})

test('any bytes are a manifest or an OciError', () => {
  const fields = fc.record(
    {
      schemaVersion: fc.constantFrom(2, 1, '2'),
      mediaType: fc.constantFrom(
        'application/vnd.oci.image.manifest.v1+json',
        'application/vnd.oci.image.index.v1+json',
        7,
      ),
      config: fc.oneof(
        fc.anything(),
        fc.record({ digest: fc.string(), size: fc.integer(), mediaType: fc.string() }),
      ),
      layers: fc.oneof(fc.anything(), fc.array(fc.anything())),
      manifests: fc.anything(),
      subject: fc.anything(),
      annotations: fc.anything(),
    },
    { requiredKeys: [] },
  )
  const body = fc.oneof(
    fc.uint8Array().map((each) => Buffer.from(each)),
    fields.map((each) =>
      Buffer.from(JSON.stringify(each, (_, value: unknown) => (typeof value === 'bigint' ? 0 : value)) ?? ''),
    ),
  )
  fc.assert(
    fc.property(body, (given) => {
      try {
        parseManifest(given, undefined)
      } catch (error) {
        assert.ok(error instanceof OciError, String(error))
        assert.equal(error.code, 'MANIFEST_INVALID')
      }
    }),
    { numRuns: 1000 },
  )
})

test('references: once each, foreign layers not required, index children by their type', () => {
  const digest = (n: number): string => `sha256:${String(n).repeat(64)}`
  const layer = 'application/vnd.oci.image.layer.v1.tar'
  const foreign = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'
  const image = parseManifest(
    bytes({
      schemaVersion: 2,
      config: { mediaType: 'a/b', digest: digest(1), size: 1 },
      layers: [
        { mediaType: layer, digest: digest(2), size: 1 },
        { mediaType: layer, digest: digest(2), size: 1 },
        { mediaType: foreign, digest: digest(3), size: 1 },
      ],
    }),
    'application/vnd.oci.image.manifest.v1+json',
  )
  assert.deepEqual(
    image.references.map(({ digest: each, kind, required }) => [each[7], kind, required]),
    [
      ['1', 'config', true],
      ['2', 'layer', true],
      ['3', 'layer', false],
    ],
  )
  assert.equal(image.artifactType, 'a/b')
  const index = parseManifest(
    bytes({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [
        { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: digest(4), size: 1 },
        { mediaType: 'application/vnd.buildkit.cacheconfig.v0', digest: digest(5), size: 1 },
      ],
    }),
    undefined,
  )
  assert.deepEqual(
    index.references.map(({ kind }) => kind),
    ['manifest', 'blob'],
  )
  assert.equal(index.artifactType, undefined)
})

test('media types are compared without case, and told as the specification writes them', () => {
  const index = 'application/vnd.oci.image.index.v1+json'
  const child = {
    mediaType: 'Application/Vnd.OCI.image.manifest.v1+JSON',
    digest: `sha256:${'a'.repeat(64)}`,
    size: 1,
  }
  const foreign = 'application/vnd.oci.image.layer.NONdistributable.v1.tar'
  const parsed = parseManifest(
    bytes({ schemaVersion: 2, mediaType: index, manifests: [child] }),
    'application/VND.oci.image.index.v1+json',
  )
  assert.equal(parsed.mediaType, index)
  assert.equal(parsed.references[0]?.kind, 'manifest')
  const layers = [{ ...child, mediaType: foreign }]
  const image = parseManifest(
    bytes({ schemaVersion: 2, config: { ...child, digest: `sha256:${'b'.repeat(64)}` }, layers }),
    'APPLICATION/VND.OCI.IMAGE.MANIFEST.V1+JSON',
  )
  assert.equal(image.mediaType, 'application/vnd.oci.image.manifest.v1+json')
  assert.deepEqual(
    image.references.map(({ required }) => required),
    [true, false],
  )
})

test('content that is named twice is one, and has one size', () => {
  const digest = `sha256:${'a'.repeat(64)}`
  const mediaType = 'application/vnd.oci.image.index.v1+json'
  const manifest = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 7 }
  const blob = { mediaType: 'application/octet-stream', digest, size: 7 }
  const parse = (...manifests: object[]) =>
    parseManifest(bytes({ schemaVersion: 2, mediaType, manifests }), mediaType)
  assert.deepEqual(parse(blob, manifest, blob).references, [
    { digest, size: 7, kind: 'manifest', required: true },
  ])
  assert.throws(() => parse(manifest, { ...blob, size: 8 }), {
    code: 'MANIFEST_INVALID',
    detail: /two sizes: 7 and 8/,
  })
})
