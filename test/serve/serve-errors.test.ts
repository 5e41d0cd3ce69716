import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, suite, test } from 'node:test'
import { claimPort } from '../../src/serve/claim-port.ts'
import { checkClock } from '../../src/serve/clock-check.ts'
import { missing } from '../requirements.ts'
import { runTrow, startedServer, startServer } from '../support/server-process.ts'

const root = mkdtempSync(join(tmpdir(), 'trow-errors-'))
after(() => rmSync(root, { recursive: true, force: true }))

let count = 0
function newFolder(): string {
  const path = join(root, String(++count))
  mkdirSync(path)
  return path
}

async function refused(args: readonly string[], code: string, hint: RegExp, exit = 1): Promise<void> {
  const result = await runTrow(['serve', '--listen', '127.0.0.1:0', '--log-format', 'text', ...args])
  assert.match(result.output, new RegExp(`^trow: .+ \\(${code}\\)\\n  .+\\n$`, 'm'))
  assert.match(result.output, hint)
  assert.equal(result.code, exit)
}

suite('trow serve says in one line what is wrong', () => {
  test('a port that is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as AddressInfo
    await refused(
      ['--data', newFolder(), '--listen', `127.0.0.1:${port}`],
      'PORT_TAKEN',
      /Choose another with --listen/,
    )
    other.close()
  })

  test('another server on the same port, although ports are shared among threads', async () => {
    const server = await startedServer({ data: newFolder() })
    const { host } = new URL(server.url)
    await refused(['--data', newFolder(), '--listen', host], 'PORT_TAKEN', /Choose another/)
    await server.stop()
  })

  test('another server that is told the same port at the same instant', async () => {
    const claim = await claimPort('127.0.0.1', 0, { shared: process.platform === 'linux' })
    await claim.release()
    const listen = ['--listen', `127.0.0.1:${claim.port}`]
    const starts = [1, 2].map(() => startServer({ data: newFolder(), args: listen }))
    const [failed, ...others] = (await Promise.all(starts)).sort((a) => ('died' in a ? -1 : 1))
    for (const server of others) if (!('died' in server)) await server.stop()
    if (failed === undefined || !('died' in failed)) {
      await failed?.stop()
      assert.fail('both listen: each gets half of the connections')
    }
    assert.match(failed.died, /PORT_TAKEN/)
    assert.ok(!others.some((server) => 'died' in server), 'one of them serves')
  })

  test('a folder that is being served', async () => {
    const data = newFolder()
    const server = await startedServer({ data })
    await refused(['--data', data], 'FOLDER_LOCKED', /a folder of its own/)
    await server.kill()
    const next = await startedServer({ data })
    await next.stop()
  })

  test('a newer schema', async () => {
    const data = newFolder()
    const database = new DatabaseSync(join(data, 'trow.db'))
    database.exec('pragma user_version = 999')
    database.close()
    await refused(['--data', data], 'SCHEMA_NEWER', /Start the newer trow/)
  })

  test('a file that is no database', async () => {
    const data = newFolder()
    writeFileSync(join(data, 'trow.db'), 'this is not a database, it only has the name of one'.repeat(100))
    await refused(['--data', data], 'DATABASE_UNUSABLE', /restore a backup/)
  })

  test('a folder that cannot be', async () => {
    const file = join(newFolder(), 'file')
    writeFileSync(file, '')
    await refused(['--data', join(file, 'data')], 'FOLDER_NOT_WRITABLE', /--data/)
  })

  test(
    'a folder that may not be written',
    { skip: process.getuid?.() === 0 && 'root may write everywhere' },
    async () => {
      const data = newFolder()
      chmodSync(data, 0o500)
      await refused(['--data', data], 'FOLDER_NOT_WRITABLE', /--data/)
    },
  )

  test('beyond loopback without TLS', async () => {
    await refused(['--data', newFolder(), '--listen', '0.0.0.0:0'], 'PLAIN_HTTP_REFUSED', /--tls-auto/, 2)
  })

  test('an address that is not of this machine', async () => {
    await refused(
      ['--data', newFolder(), '--listen', '192.0.2.1:0', '--plain-http'],
      'LISTEN_FAILED',
      /one of this machine/,
    )
  })

  test('a clock that cannot be right', () => {
    assert.throws(() => checkClock(Date.UTC(1970, 0, 1), undefined), /CLOCK_ABSURD|cannot be/)
    const now = Date.UTC(2026, 5, 1)
    assert.throws(() => checkClock(now, now + 7 * 24 * 3_600_000), /has seen/)
    checkClock(now, now + 3_600_000)
  })
})

suite('certificates', { skip: missing('openssl') }, () => {
  const make = (name: string, days = 10): { cert: string; key: string } => {
    const [cert, key] = [join(root, `${name}.crt`), join(root, `${name}.key`)]
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
    execFileSync(
      'openssl',
      ['req', '-x509', '-nodes', ...curve, ...subject, '-days', String(days), '-keyout', key, '-out', cert],
      {
        stdio: 'ignore',
      },
    )
    return { cert, key }
  }

  test('a key of another certificate, an unreadable file, and what is no PEM', async () => {
    const [one, two] = [make('one'), make('two')]
    const data = newFolder()
    await refused(
      ['--data', data, '--tls-cert', one.cert, '--tls-key', two.key],
      'CERT_KEY_MISMATCH',
      /was made for/,
    )
    await refused(
      ['--data', data, '--tls-cert', '/nonexistent', '--tls-key', two.key],
      'TLS_UNREADABLE',
      /--tls-cert/,
    )
    await refused(['--data', data, '--tls-cert', one.key, '--tls-key', one.key], 'TLS_INVALID', /PEM/)
  })
})
