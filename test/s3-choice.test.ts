import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, suite, test } from 'node:test'
import { findProgram } from './requirements.ts'

const root = new URL('..', import.meta.url).pathname
const keys = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'testtest' }

suite('the S3 server that TROW_TEST_S3 names', () => {
  const cache = mkdtempSync(join(tmpdir(), 'trow-choice-'))
  after(() => rmSync(cache, { recursive: true }))

  function run(
    program: string,
    server: string,
    own: Readonly<Record<string, string>> = keys,
  ): { readonly code: number | null; readonly stdout: string; readonly stderr: string } {
    const { NODE_TEST_CONTEXT: _, AWS_ACCESS_KEY_ID: __, ...others } = process.env
    // Nothing but Go, if it is there: a MinIO of this machine does not count.
    const PATH = dirname(findProgram('go') ?? cache)
    const env = { ...others, PATH, XDG_CACHE_HOME: cache, TROW_TEST_S3: server, ...own }
    const args = [join(root, program), '--only', 'blobs/s3/s3-blob-store']
    const { status: code, stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
    return { code, stdout, stderr }
  }

  for (const program of ['test/run.ts', 'test/replicas/run.ts']) {
    for (const [name, server, words, own] of [
      [
        'a word',
        'ceph',
        'TROW_TEST_S3=ceph names no S3 server: say versitygw, minio, or http://HOST:PORT or https://HOST:PORT of one',
      ],
      [
        'a bucket',
        'http://127.83.3.1:65000/images',
        'TROW_TEST_S3=http://127.83.3.1:65000/images names no S3 server: say versitygw, minio, or http://HOST:PORT or https://HOST:PORT of one',
      ],
      [
        'a server without keys',
        'http://127.83.3.1:65000',
        'TROW_TEST_S3=http://127.83.3.1:65000 needs its keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, which may make buckets',
        {},
      ],
      [
        'a server that is not there',
        'http://127.83.3.1:65000',
        'TROW_TEST_S3=http://127.83.3.1:65000 does not answer: connect ECONNREFUSED 127.83.3.1:65000',
      ],
    ] as const)
      // prettier-ignore
      test(`${program}: ${name} is refused in one line, and nothing runs`, () => {
        const { code, stdout, stderr } = run(program, server, own)
        assert.equal(stderr, `${words}\n`)
        assert.equal(stdout, '')
        assert.equal(code, 1)
      })
  }

  test('MinIO is not built for one run of tests, which says what builds it', () => {
    const { code, stdout } = run('test/run.ts', 'minio', {})
    assert.equal(code, 0, stdout)
    assert.match(stdout, /^ {2}test\/blobs\/s3\/s3-blob-store\.test\.ts: blobs in S3: minio not found: (`npm run test:replicas` builds it|Go is not installed)$/m)
    assert.deepEqual(readdirSync(cache), [])
  }) // prettier-ignore
})
