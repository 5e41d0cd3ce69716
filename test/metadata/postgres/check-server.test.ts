import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { connectChecked } from '../../../src/metadata/postgres/check-server.ts'
import type { DatabaseAddress } from '../../../src/metadata/postgres/connect-options.ts'
import { inspectDatabase } from '../../../src/metadata/postgres/prepare-database.ts'
import { UserError } from '../../../src/user-error.ts'
import { missing } from '../../requirements.ts'
import { PostgresServer } from '../../support/postgres-server.ts'
import { issue, issueAuthority } from '../../support/self-signed.ts'
import { TestPostgres } from './open-postgres.ts'

const skip = missing('initdb', 'postgres')

suite('what a PostgreSQL must be, and what is said otherwise', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-check-'))
  const postgres = new TestPostgres()
  let server: PostgresServer

  before(async () => {
    server = await postgres.server
    await server.query(
      'postgres',
      `set password_encryption = 'scram-sha-256'; create role app login password 'right'`,
    )
    await server.query('postgres', 'create database theirs owner postgres')
    await server.query('postgres', `create database latin encoding 'LATIN1' template template0`)
    server.allow(['host all app 127.0.0.1/32 scram-sha-256', 'host all all 127.0.0.1/32 trust'])
    await server.query('postgres', 'select pg_reload_conf()')
  })
  after(() => rmSync(folder, { recursive: true }))

  const at = (url: string, passwordFile?: string): DatabaseAddress => ({ url, passwordFile })
  const file = (name: string, text: string): string => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }
  async function refusal(address: DatabaseAddress, connections = 1): Promise<string> {
    try {
      const connection = await connectChecked(address, connections)
      connection.close()
    } catch (error) {
      assert.ok(error instanceof UserError, String(error))
      assert.ok(error.hint)
      assert.doesNotMatch(`${error.message} ${error.hint}`, /\n|right|wrong-one/)
      return error.code
    }
    return 'none'
  }

  test('the password comes from its file, which is read each time', async () => {
    const url = server.url('postgres', 'app').replace('/postgres', '/app_own')
    await server.query('postgres', 'create database app_own owner app')
    const path = file('password', 'wrong-one\n')
    assert.equal(await refusal(at(url, path)), 'DATABASE_DENIED')
    file('password', 'right\n')
    assert.equal(await refusal(at(url, path)), 'none')
    assert.equal(await refusal(at(url, join(folder, 'none'))), 'DATABASE_FILE_UNREADABLE')
    assert.equal(await refusal(at(url)), 'DATABASE_UNREACHABLE')
  })

  test('no server, no database, no TLS', async () => {
    assert.equal(await refusal(at('postgres://u@127.0.0.1:9/x')), 'DATABASE_UNREACHABLE')
    assert.equal(await refusal(at('postgres://u@no.such.host.invalid/x')), 'DATABASE_UNREACHABLE')
    assert.equal(await refusal(at(server.url('none'))), 'DATABASE_MISSING')
    assert.equal(await refusal(at(`${server.url('theirs')}?sslmode=verify-full`)), 'DATABASE_UNREACHABLE')
    const lacking = `${server.url('theirs')}?sslmode=verify-ca&sslrootcert=${join(folder, 'none.crt')}`
    assert.equal(await refusal(at(lacking)), 'DATABASE_FILE_UNREADABLE')
  })

  test('a certificate of nobody that is trusted, and one that is', async () => {
    const { cert, key } = await issue('127.0.0.1', new Date(Date.now() + 3_600_000))
    const secure = await PostgresServer.start(['ssl=on'], { 'server.crt': cert, 'server.key': key })
    try {
      const url = await secure.newDatabase()
      const root = file('root.crt', cert)
      assert.equal(await refusal(at(`${url}?sslmode=verify-full`)), 'DATABASE_TLS')
      assert.equal(await refusal(at(`${url}?sslmode=verify-full&sslrootcert=${root}`)), 'none')
      assert.equal(await refusal(at(`${url}?sslmode=require`)), 'none')
      const other = file('other.crt', await issueAuthority('another'))
      assert.equal(await refusal(at(`${url}?sslmode=require&sslrootcert=${other}`)), 'DATABASE_TLS')
    } finally {
      await secure.stop()
    }
  })

  test('another encoding, no right to create tables, no room for the connections', async () => {
    assert.equal(await refusal(at(server.url('latin'))), 'DATABASE_UNSUITABLE')
    const path = file('password', 'right')
    assert.equal(await refusal(at(server.url('theirs', 'app'), path)), 'DATABASE_UNSUITABLE')
    assert.equal(await refusal(at(server.url('theirs')), 90), 'none')
    assert.equal(await refusal(at(server.url('theirs')), 98), 'DATABASE_CONNECTIONS')
  })

  test('a server that does not flush', async () => {
    const careless = await PostgresServer.start(['fsync=off'])
    try {
      assert.equal(await refusal(at(await careless.newDatabase())), 'DATABASE_UNSUITABLE')
    } finally {
      await careless.stop()
    }
  })

  test('tables of something else, and a newer schema: nothing is written', async () => {
    const url = server.url('theirs')
    await server.query('theirs', 'create table invoices (id int)')
    const connection = await connectChecked(at(url), 1)
    await assert.rejects(inspectDatabase(connection), { code: 'DATABASE_NOT_EMPTY' })
    connection.close()
    const names = await server.query(
      'theirs',
      `select relname from pg_class where relnamespace = 'public'::regnamespace`,
    )
    assert.deepEqual(names, [{ relname: 'invoices' }])

    const newer = await postgres.newRegistry()
    const database = new URL(newer).pathname.slice(1)
    await server.query(database, 'update trow_schema set version = 99')
    const other = await connectChecked(at(newer), 1)
    // A newer program that only added may share the database with this one.
    assert.ok(await inspectDatabase(other))
    await server.query(database, 'update trow_schema set oldest_program = 98')
    await assert.rejects(inspectDatabase(other), { code: 'SCHEMA_NEWER' })
    other.close()
  })
})
