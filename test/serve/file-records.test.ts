import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { hashPassword } from '../../src/access/bcrypt.ts'
import { makeAuthority } from '../../src/certificates/certificate-authority.ts'
import type { EncodedAuditRecord } from '../../src/metadata/outbox.ts'
import { FileRecords } from '../../src/serve/audit/file-records.ts'
import { eventually } from '../support/program.ts'
import { issue } from '../support/self-signed.ts'
import { runTrow, startedServer } from '../support/server-process.ts'

const root = mkdtempSync(join(tmpdir(), 'trow-file-records-'))
after(() => rmSync(root, { recursive: true }))

interface Recorded {
  readonly type: string
  readonly data: {
    readonly reference: string
    readonly actor: { readonly user: string }
    readonly change: Readonly<Record<string, unknown>>
  }
}

suite('files of users and certificates that a running server reads again', () => {
  test('who came and went is in the audit log, with the file and its owner, and no secret', async () => {
    const [data, users, cert, key, authorities] = ['data', 'users', 'tls.crt', 'tls.key', 'clients.crt'].map(
      (name) => join(root, name),
    ) as [string, string, string, string, string]
    const [first, second] = [await hashPassword('first', 4), await hashPassword('second', 4)]
    writeFileSync(users, `alice:${first}\nbob:${first}\n`)
    const until = new Date(Date.now() + 3_600_000)
    const [old, renewed] = [await issue('registry', until), await issue('registry', until)]
    writeFileSync(cert, old.cert)
    writeFileSync(key, old.key)
    const [one, other] = await Promise.all(['one', 'other'].map((name) => makeAuthority([name], [], crypto)))
    assert.ok(one !== undefined && other !== undefined)
    writeFileSync(authorities, one.cert)
    const args = ['--htpasswd', users, '--tls-cert', cert, '--tls-key', key, '--client-ca', authorities]
    const server = await startedServer({ data, args: ['--workers', '1', ...args] })
    const recorded = async (action: string): Promise<readonly Recorded[]> => {
      const { code, output } = await runTrow([
        'audit',
        'query',
        '--data',
        data,
        '--action',
        action,
        '-o',
        'jsonl',
      ])
      assert.equal(code, 0, output)
      return output
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as Recorded)
    }
    try {
      writeFileSync(users, `bob:${second}\ncarol:${first}\n`)
      await eventually(async () => assert.equal((await recorded('users-change')).length, 1), 20_000)
      writeFileSync(authorities, `${one.cert}\n${other.cert}`)
      writeFileSync(key, renewed.key)
      writeFileSync(cert, renewed.cert)
      await eventually(async () => assert.equal((await recorded('certificate-change')).length, 2), 20_000)
      // The same users again: nothing was changed.
      writeFileSync(users, `# checked\nbob:${second}\ncarol:${first}\n`)
      await eventually(
        async () => assert.equal(server.output().split('htpasswd file was read again').length, 3),
        20_000,
      )
      const [change, ...none] = await recorded('users-change')
      assert.deepEqual(none, [])
      assert.equal(change?.type, 'io.trow.users-change.allowed.v1')
      assert.equal(change.data.reference, users)
      assert.equal(change.data.actor.user, `uid ${process.getuid?.()}`)
      const where = `${data} on ${hostname()}`
      const expected = { added: ['carol'], removed: ['alice'], newPassword: ['bob'], process: where }
      assert.deepEqual(change.data.change, expected)

      const certificates = await recorded('certificate-change')
      const by = new Map(certificates.map(({ data: { reference, change: found } }) => [reference, found]))
      const factsOf = (pem: string): object => {
        const { fingerprint256, subject, validTo } = new X509Certificate(pem)
        const sha256 = fingerprint256.replaceAll(':', '').toLowerCase()
        return { sha256, subject: subject.replaceAll('\n', ', '), validTo: new Date(validTo).toISOString() }
      }
      assert.deepEqual(by.get(authorities), { of: 'client-ca', added: [factsOf(other.cert)], process: where })
      assert.deepEqual(by.get(cert), {
        of: 'server',
        added: [factsOf(renewed.cert)],
        removed: [factsOf(old.cert)],
        process: where,
      })
      const all = JSON.stringify([change, ...certificates])
      for (const secret of [first, second, 'PRIVATE KEY']) assert.ok(!all.includes(secret))
    } finally {
      await server.stop()
    }
  })

  test('a record that cannot be written is tried again, in its order, once for two who watch one file', async () => {
    const lines: string[] = []
    const line = (message: string): void => void lines.push(message)
    const records = new FileRecords({
      log: { debug: line, info: line, warn: line, error: line },
      process: 'here',
      now: () => 1,
    })
    mkdirSync(join(root, 'ca'))
    const change = (name: string): Parameters<FileRecords['add']>[0] => ({
      action: 'certificate-change',
      file: join(root, 'ca'),
      change: { added: [name] },
    })
    records.add(change('one'))
    records.add(change('one'))
    records.add(change('two'))
    const written: string[] = []
    let isAway = true
    records.writeWith(async (record: EncodedAuditRecord) => {
      if (isAway) throw new Error('away')
      written.push(String(record))
    })
    await eventually(async () => assert.equal(lines.length, 1), 5000)
    assert.deepEqual(written, [])
    isAway = false
    await eventually(async () => assert.equal(written.length, 2), 5000)
    assert.match(written[0] ?? '', /"one"/)
    assert.match(written[1] ?? '', /"two"/)
    records.add(change('one'))
    await eventually(async () => assert.equal(written.length, 3), 5000)
    const password = {
      action: 'users-change',
      file: join(root, 'ca'),
      change: { newPassword: ['bob'] },
    } as const
    records.add(password)
    records.add(password)
    await eventually(
      async () => assert.equal(written.length, 5, 'a second new password is a second change'),
      5000,
    )
    await records.close()
  })
})
