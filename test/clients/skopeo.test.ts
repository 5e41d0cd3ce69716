import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { missing, runProgram } from '../requirements.ts'
import { openFixture, writeImageLayout, type Fixture } from './fixture.ts'

suite('skopeo', { skip: missing('skopeo') }, () => {
  let fixture: Fixture
  let digest = ''
  const skopeo = (...args: string[]): string => runProgram('skopeo', args, { env: fixture.env })
  const registry = (name: string): string => `docker://${fixture.host}/${name}`

  before(async () => {
    fixture = await openFixture()
    digest = await writeImageLayout(join(fixture.folder, 'image'))
  })
  after(() => fixture.close())

  test('pushes, inspects and pulls the same bytes', () => {
    skopeo(
      'copy',
      '--insecure-policy',
      '--dest-tls-verify=false',
      `oci:${fixture.folder}/image:latest`,
      registry('skopeo/app:1'),
    )
    const inspected = JSON.parse(skopeo('inspect', '--tls-verify=false', registry('skopeo/app:1'))) as {
      Digest: string
    }
    assert.equal(inspected.Digest, digest)
    skopeo(
      'copy',
      '--insecure-policy',
      '--src-tls-verify=false',
      registry('skopeo/app:1'),
      `oci:${fixture.folder}/back:latest`,
    )
    const hex = digest.slice('sha256:'.length)
    const read = (folder: string): Buffer =>
      readFileSync(join(fixture.folder, folder, 'blobs', 'sha256', hex))
    assert.ok(read('back').equals(read('image')))
  })

  test('copies between repositories, lists tags and deletes', () => {
    const verify = ['--src-tls-verify=false', '--dest-tls-verify=false']
    skopeo('copy', '--insecure-policy', ...verify, registry('skopeo/app:1'), registry('skopeo/copy:2'))
    const { Tags } = JSON.parse(skopeo('list-tags', '--tls-verify=false', registry('skopeo/copy'))) as {
      Tags: string[]
    }
    assert.deepEqual(Tags, ['2'])
    skopeo('delete', '--tls-verify=false', registry('skopeo/copy:2'))
    assert.throws(
      () => skopeo('inspect', '--tls-verify=false', registry('skopeo/copy:2')),
      /manifest unknown|not known/,
    )
  })

  test('converts to docker schema 2 on the way', () => {
    skopeo(
      'copy',
      '--insecure-policy',
      '--format=v2s2',
      '--dest-tls-verify=false',
      `oci:${fixture.folder}/image:latest`,
      registry('skopeo/v2s2:1'),
    )
    const raw = JSON.parse(skopeo('inspect', '--raw', '--tls-verify=false', registry('skopeo/v2s2:1'))) as {
      mediaType: string
    }
    assert.equal(raw.mediaType, 'application/vnd.docker.distribution.manifest.v2+json')
  })
})
