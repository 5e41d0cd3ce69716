import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, suite, test } from 'node:test'
import { S3Client } from '../../../src/blobs/s3/s3-client.ts'
import type { S3Location } from '../../../src/blobs/s3/s3-location.ts'
import { openEngines } from '../../../src/storage/open-engines.ts'
import type { StorageSettings } from '../../../src/storage/storage-engine.ts'
import { UserError } from '../../../src/user-error.ts'
import { missing } from '../../requirements.ts'
import { s3Error, startFaultProxy, type FaultProxy } from '../../support/fault-proxy.ts'
import { s3Env, s3Keys, s3Programs, startS3Server, type S3Server } from '../../support/s3-server.ts'

suite('a start with a bucket', { skip: missing(...s3Programs) }, () => {
  const root = mkdtempSync(join(tmpdir(), 'trow-bucket-'))
  let server: S3Server
  let proxy: FaultProxy
  let count = 0
  let bucket = ''
  let folder = ''
  before(async () => {
    server = await startS3Server()
    proxy = await startFaultProxy(server.endpoint)
  })
  after(async () => {
    await proxy.close()
    await server.stop()
    rmSync(root, { recursive: true })
  })
  beforeEach(async () => {
    proxy.plan = () => undefined
    bucket = await server.bucket(`bucket-${count++}`)
    folder = join(root, bucket)
  })

  function settingsOf(
    location: Partial<S3Location> = {},
    env: StorageSettings['env'] = s3Env,
  ): StorageSettings {
    const s3 = { ...server.location(bucket, 'registry/'), endpoint: proxy.endpoint, ...location }
    return { folder, reserve: 0, s3, cacheBytes: 0, s3Redirect: false, env }
  }

  async function start(settings: StorageSettings): Promise<void> {
    const engines = await openEngines(settings)
    assert.equal(engines.content, 'bucket')
    await engines.close()
  }

  /** The start fails with one line and a hint, and nothing is written. */
  async function refuses(
    settings: StorageSettings,
    code: string,
    message: RegExp,
    left: readonly string[] = [],
  ): Promise<void> {
    await assert.rejects(openEngines(settings), (error: unknown) => {
      assert.ok(error instanceof UserError, String(error))
      assert.equal(error.code, code, error.message)
      assert.match(error.message, message)
      assert.doesNotMatch(`${error.message} ${error.hint}`, new RegExp(s3Env.AWS_SECRET_ACCESS_KEY))
      assert.ok(error.hint !== undefined && !error.message.includes('\n'))
      return true
    })
    assert.equal(existsSync(folder), false, 'no folder was made')
    assert.deepEqual(
      (await objects()).filter((name) => !left.some((each) => name.startsWith(each))),
      [],
    )
  }

  function objects(): Promise<string[]> {
    return server.names(bucket, 'registry/')
  }

  test('marks the bucket as its own and remembers it; the next start needs no flag', async () => {
    await start(settingsOf())
    assert.deepEqual(await objects(), ['trow-registry.json'])
    await start({ ...settingsOf(), s3: undefined })
    await start(settingsOf())
    assert.deepEqual(await objects(), ['trow-registry.json'])
  })

  test('refuses a bucket of another registry, and another bucket for a registry', async () => {
    const first = settingsOf()
    await start(first)
    const elsewhere = join(root, `${bucket}-else`)
    await assert.rejects(openEngines({ ...first, folder: elsewhere }), { code: 'S3_OTHER_REGISTRY' })
    assert.equal(existsSync(elsewhere), false)
    await assert.rejects(openEngines(settingsOf({ prefix: 'other/' })), { code: 'S3_OTHER_BUCKET' })
  })

  test('refuses a bucket that has lost its marker', async () => {
    await start(settingsOf())
    await server.objects(bucket).remove('registry/trow-registry.json')
    await assert.rejects(openEngines(settingsOf()), { code: 'S3_MARKER_LOST' })
  })

  test('refuses a marker that is not from trow', async () => {
    await server.objects(bucket).put('registry/trow-registry.json', Buffer.from('{}'))
    await refuses(settingsOf(), 'S3_MARKER_DAMAGED', /is not from trow/, ['trow-registry.json'])
  })

  test('goes on with a start that was cut off between folder and bucket', async () => {
    const isMarker = ({ method, url = '' }: IncomingMessage): boolean =>
      method === 'PUT' && url.endsWith('.json')
    proxy.plan = (request) =>
      isMarker(request) ? { kind: 'answer', status: 403, body: s3Error('AccessDenied') } : undefined
    await assert.rejects(openEngines(settingsOf()), { code: 'S3_NOT_PERMITTED' })
    proxy.plan = () => undefined
    await start(settingsOf())
  })

  test('refuses a registry whose blobs are in its folder', async () => {
    mkdirSync(join(folder, 'blobs', '00'), { recursive: true })
    writeFileSync(join(folder, 'blobs', '00', '0'.repeat(32)), 'blob')
    await assert.rejects(openEngines(settingsOf()), { code: 'CONTENT_IN_FOLDER' })
  })

  test('a file that says where the bucket is and is damaged is no bucket at all', async () => {
    await start(settingsOf())
    writeFileSync(join(folder, 's3.json'), '{"registry": 1}')
    await assert.rejects(openEngines({ ...settingsOf(), s3: undefined }), { code: 'S3_FILE_DAMAGED' })
  })

  test('nothing listens', () =>
    refuses(
      settingsOf({ endpoint: 'http://127.83.3.9:1' }),
      'S3_UNREACHABLE',
      /127\.83\.3\.9:1 does not answer/,
    ))

  test('wrong secret', () =>
    refuses(
      settingsOf({}, { ...s3Env, AWS_SECRET_ACCESS_KEY: 'wrong' }),
      'S3_CREDENTIALS_REFUSED',
      /refuses the credentials/,
    ))

  test('unknown key', () =>
    refuses(
      settingsOf({}, { ...s3Env, AWS_ACCESS_KEY_ID: 'nobody' }),
      'S3_CREDENTIALS_REFUSED',
      /refuses the credentials/,
    ))

  test('no credentials', () =>
    refuses(
      settingsOf({}, { AWS_SHARED_CREDENTIALS_FILE: join(root, 'none') }),
      'S3_NO_CREDENTIALS',
      /profile default of .*none/,
    ))

  test('wrong region', async (t) => {
    const region = 'eu-west-9'
    const client = new S3Client({ ...server.location(bucket), region }, s3Keys)
    t.after(() => client.close())
    const list = { method: 'GET', query: { 'list-type': '2' } } as const
    const isTaken = await client.send(list).then(() => true, () => false) // prettier-ignore
    if (isTaken) return t.skip('this server takes any region')
    await refuses(settingsOf({ region }), 'S3_WRONG_REGION', /not in eu-west-9/)
  })

  test('a bucket that S3 says is elsewhere', () => {
    proxy.plan = () => ({
      kind: 'answer',
      status: 301,
      body: s3Error('PermanentRedirect'),
      headers: { 'x-amz-bucket-region': 'eu-central-1' },
    })
    const words = new RegExp(`in the region eu-central-1, not in ${s3Env.AWS_REGION}`)
    return refuses(settingsOf(), 'S3_WRONG_REGION', words)
  })

  test('no bucket', () =>
    refuses(settingsOf({ bucket: 'there-is-none' }), 'S3_NO_BUCKET', /no bucket there-is-none/))

  test('a server that is no S3', () => {
    proxy.plan = () => ({ kind: 'answer', status: 400, body: '<html>' })
    return refuses(settingsOf(), 'S3_UNUSABLE', /cannot keep the blobs/)
  })

  for (const [name, matches, permission] of [
    ['list', ({ url = '' }) => url.includes('list-type'), /may not list objects/],
    ['read', ({ method, url = '' }) => method === 'GET' && !url.includes('?'), /may not read objects/],
    ['list uploads', ({ url = '' }) => url.includes('uploads='), /may not list unfinished uploads/],
    ['write', ({ method }) => method === 'PUT', /may not write objects/],
  ] as const satisfies (readonly [string, (request: IncomingMessage) => boolean, RegExp])[]) {
    test(`no right to ${name}`, () => {
      proxy.plan = (request) =>
        matches(request) ? { kind: 'answer', status: 403, body: s3Error('AccessDenied') } : undefined
      return refuses(settingsOf(), 'S3_NOT_PERMITTED', permission)
    })
  }

  test('a quota of Ceph that is used up', () => {
    const body = '<Error><Code>QuotaExceeded</Code><Message></Message></Error>'
    proxy.plan = ({ method }) => (method === 'PUT' ? { kind: 'answer', status: 403, body } : undefined)
    return refuses(settingsOf(), 'S3_FULL', /takes no more: S3 answered 403 QuotaExceeded$/)
  })

  test('no right to delete: the probe that stays is named', () => {
    proxy.plan = ({ method }) =>
      method === 'DELETE' ? { kind: 'answer', status: 403, body: s3Error('AccessDenied') } : undefined
    return refuses(settingsOf(), 'S3_NO_DELETE', /the probe registry\/probe-[0-9a-f-]{36} stays there/, [
      'probe-',
    ])
  })
})
