import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { missing, runProgram } from '../requirements.ts'
import { openFixture, writeImageLayout, type Fixture } from './fixture.ts'

let fixture: Fixture
let digest = ''
before(async () => {
  fixture = await openFixture()
  digest = await writeImageLayout(join(fixture.folder, 'image'))
})
after(() => fixture.close())

function run(tool: string, ...args: string[]): string {
  return runProgram(tool, args, { env: { ...fixture.env, COSIGN_PASSWORD: '' }, cwd: fixture.folder })
}

suite('crane', { skip: missing('crane') }, () => {
  test('pushes, copies, lists, pulls and deletes', () => {
    const crane = (...args: string[]): string => run('crane', ...args, '--insecure')
    crane('push', 'image', `${fixture.host}/crane/app:1`)
    assert.equal(crane('digest', `${fixture.host}/crane/app:1`).trim(), digest)
    crane('copy', `${fixture.host}/crane/app:1`, `${fixture.host}/crane/copy:2`)
    assert.equal(crane('ls', `${fixture.host}/crane/copy`).trim(), '2')
    assert.match(crane('catalog', fixture.host), /crane\/copy/)
    crane('validate', '--remote', `${fixture.host}/crane/app:1`)
    crane('pull', '--format=oci', `${fixture.host}/crane/app:1`, 'crane-back')
    const hex = digest.slice('sha256:'.length)
    const read = (folder: string): Buffer =>
      readFileSync(join(fixture.folder, folder, 'blobs', 'sha256', hex))
    assert.ok(read('crane-back').equals(read('image')))
    crane('delete', `${fixture.host}/crane/copy:2`)
    assert.equal(crane('ls', `${fixture.host}/crane/copy`).trim(), '')
  })
})

suite('oras', { skip: missing('oras') }, () => {
  test('pushes files, attaches a referrer, discovers and pulls', () => {
    const oras = (...args: string[]): string => run('oras', ...args, '--plain-http')
    const reference = `${fixture.host}/oras/files:1`
    writeFileSync(join(fixture.folder, 'notes.txt'), 'hello')
    writeFileSync(join(fixture.folder, 'sbom.json'), '{}')
    oras('push', reference, 'notes.txt:text/plain')
    oras('attach', '--artifact-type', 'application/vnd.example.sbom', reference, 'sbom.json')
    assert.match(oras('discover', '--format', 'json', reference), /application\/vnd\.example\.sbom/)
    oras('pull', '-o', 'oras-back', reference)
    assert.equal(readFileSync(join(fixture.folder, 'oras-back', 'notes.txt'), 'utf8'), 'hello')
    assert.match(oras('repo', 'ls', fixture.host), /oras\/files/)
    assert.equal(oras('repo', 'tags', `${fixture.host}/oras/files`).trim(), '1')
    oras('manifest', 'delete', '--force', reference)
    assert.throws(() => oras('manifest', 'fetch', reference), /not found/)
  })
})

suite('helm', { skip: missing('helm') }, () => {
  test('pushes a chart and pulls it', () => {
    const chart = join(fixture.folder, 'chart')
    mkdirSync(join(chart, 'templates'), { recursive: true })
    writeFileSync(join(chart, 'Chart.yaml'), 'apiVersion: v2\nname: hello\nversion: 1.2.3+build\n')
    run('helm', 'package', 'chart')
    run('helm', 'push', '--plain-http', 'hello-1.2.3+build.tgz', `oci://${fixture.host}/charts`)
    run(
      'helm',
      'pull',
      '--plain-http',
      '--version',
      '1.2.3+build',
      '-d',
      'home',
      `oci://${fixture.host}/charts/hello`,
    )
    const read = (path: string): Buffer => readFileSync(join(fixture.folder, path))
    assert.ok(read('home/hello-1.2.3+build.tgz').equals(read('hello-1.2.3+build.tgz')))
  })
})

suite('cosign', { skip: missing('cosign', 'crane') }, () => {
  test('signs and verifies with a key pair, without any other service', () => {
    const reference = `${fixture.host}/cosign/app`
    run('crane', 'push', 'image', `${reference}:1`, '--insecure')
    run('cosign', 'generate-key-pair')
    const config = join(fixture.folder, 'signing.json')
    writeFileSync(
      config,
      JSON.stringify({ mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json' }),
    )
    const target = `${reference}@${digest}`
    run(
      'cosign',
      'sign',
      '--key',
      'cosign.key',
      '--allow-insecure-registry',
      '--signing-config',
      config,
      '--yes',
      target,
    )
    const verify = (key: string): string =>
      run(
        'cosign',
        'verify',
        '--key',
        key,
        '--insecure-ignore-tlog',
        '--private-infrastructure',
        '--allow-insecure-registry',
        target,
      )
    assert.match(verify('cosign.pub'), new RegExp(digest))
    run('cosign', 'generate-key-pair', '--output-key-prefix', 'other')
    assert.throws(() => verify('other.pub'), /no matching signatures|invalid signature|failed/)
  })
})
