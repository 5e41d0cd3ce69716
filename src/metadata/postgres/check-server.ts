import { reasonOf } from '../../reason-of.ts'
import { UserError } from '../../user-error.ts'
import { ConnectionLost, sqlState } from './connection-errors.ts'
import { Connection } from './connection.ts'
import { connectOptions, databaseOf, placeOf, readPassword, type DatabaseAddress } from './connect-options.ts'
import { findPooler } from './find-pooler.ts'

/** The oldest PostgreSQL: functions about snapshots and their types are as they are used here. */
const oldestServer = 14
/** SQLSTATE with which a pooler refuses parameters of a session that it does not know. */
const refusedParameter = '08P01'

interface ServerFacts {
  readonly version: number
  readonly recovering: number
  readonly fsync: string
  readonly encoding: string
  readonly room: number
  readonly may_create: number
}

/**
 * Connects, and checks that the server can hold a registry whose process needs `connections` connections.
 * Writes nothing. Throws UserError; the caller closes the connection, whose `pooler` all others must know.
 */
export async function connectChecked(address: DatabaseAddress, connections: number): Promise<Connection> {
  await checkDatabaseFiles(address)
  let found: DatabaseAddress = address
  let connection = await open(found).catch((error: unknown) => {
    if (sqlState(error) !== refusedParameter) throw refusalOf(address, error)
    found = { ...address, pooler: 'prepared' }
    return open(found)
  })
  try {
    check(address, await factsOf(connection), connections)
    const pooler = (await findPooler(connection, () => open(found))) ?? found.pooler
    if (pooler !== found.pooler) {
      connection.close()
      connection = await open({ ...address, pooler })
    }
    return connection
  } catch (error) {
    connection.close()
    throw error
  }
}

/** Throws UserError DATABASE_FILE_UNREADABLE. */
export async function checkDatabaseFiles(address: DatabaseAddress): Promise<void> {
  try {
    if (address.passwordFile !== undefined) await readPassword(address.passwordFile)
    connectOptions(address)
  } catch (cause) {
    throw new UserError('DATABASE_FILE_UNREADABLE', `the database cannot be reached: ${reasonOf(cause)}`, {
      hint: 'Check --database-password-file and sslrootcert: this user must be able to read them.',
      cause,
    })
  }
}

function open(address: DatabaseAddress): Promise<Connection> {
  return Connection.open(connectOptions(address))
}

function refusalOf(address: DatabaseAddress, error: unknown): unknown {
  const place = placeOf(address)
  const { user, database } = databaseOf(address)
  const state = sqlState(error)
  const cause = error
  if (state === '28P01' || state === '28000') {
    return new UserError('DATABASE_DENIED', `PostgreSQL at ${place} refuses ${user}: ${reasonOf(error)}`, {
      hint: 'Check the user in --database, the password in --database-password-file or PGPASSFILE, and pg_hba.conf of the server.',
      cause,
    })
  }
  if (state === '3D000') {
    return new UserError('DATABASE_MISSING', `PostgreSQL at ${place} has no database ${database}`, {
      hint: `Create it first: create database ${database} owner ${user}.`,
      cause,
    })
  }
  if (state === '53300') return noRoom(place, 'none is left', cause)
  if (error instanceof ConnectionLost) {
    const { code } = (error.cause ?? {}) as { readonly code?: unknown }
    if (typeof code === 'string' && /CERT|SELF_SIGNED|TLS|SSL|UNABLE_TO/.test(code)) {
      return new UserError(
        'DATABASE_TLS',
        `the certificate of PostgreSQL at ${place} is not trusted: ${reasonOf(error.cause)}`,
        {
          hint: 'Name the CA of the server in the URL of --database: ?sslmode=verify-full&sslrootcert=FILE.',
          cause,
        },
      )
    }
    return new UserError(
      'DATABASE_UNREACHABLE',
      `no PostgreSQL can be reached at ${place}: ${reasonOf(error.cause)}`,
      {
        hint: 'Check host and port in --database, and whether the server speaks TLS (without it: ?sslmode=disable) or asks for a password (--database-password-file).',
        cause,
      },
    )
  }
  return new UserError('DATABASE_UNUSABLE', `PostgreSQL at ${place} cannot be used: ${reasonOf(error)}`, {
    hint: 'Check --database, and the log of the server.',
    cause,
  })
}

async function factsOf(connection: Connection): Promise<ServerFacts | undefined> {
  const { rows } = await connection.run<ServerFacts>(
    `select current_setting('server_version_num')::int / 10000 as version, pg_is_in_recovery() as recovering,
       current_setting('fsync') as fsync, current_setting('server_encoding') as encoding,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
         - (select coalesce(sum(numbackends), 0) from pg_stat_database) as room,
       coalesce(has_schema_privilege(current_schema(), 'create'), false) as may_create`,
  )
  return rows[0]
}

function check(address: DatabaseAddress, facts: ServerFacts | undefined, connections: number): void {
  const place = placeOf(address)
  const { user, database } = databaseOf(address)
  if (facts === undefined) throw new Error('PostgreSQL told nothing of itself')
  const refuse = (problem: string, hint: string): never => {
    throw new UserError('DATABASE_UNSUITABLE', `PostgreSQL at ${place} ${problem}`, { hint })
  }
  if (facts.version < oldestServer)
    refuse(`is version ${facts.version}`, `A registry needs version ${oldestServer} or later.`)
  if (facts.recovering === 1)
    refuse('is a standby: nothing can be written there', 'Name the primary with --database.')
  if (facts.fsync !== 'on')
    refuse(
      'has fsync=off: a power failure would lose what was acknowledged',
      'Set fsync=on, and start the server again.',
    )
  if (facts.encoding !== 'UTF8')
    refuse(
      `keeps database ${database} in ${facts.encoding}`,
      `Create one in UTF-8: create database ${database} encoding 'UTF8' template template0.`,
    )
  if (facts.may_create !== 1)
    refuse(
      `lets ${user} create no tables in database ${database}`,
      `Make ${user} the owner: alter database ${database} owner to ${user}.`,
    )
  if (facts.room < connections)
    throw noRoom(place, `${Math.max(0, facts.room)} are left, and the registry needs ${connections}`)
}

function noRoom(place: string, problem: string, cause?: unknown): UserError {
  return new UserError('DATABASE_CONNECTIONS', `PostgreSQL at ${place} has too few connections: ${problem}`, {
    hint: 'Raise max_connections of the server, or give the registry fewer --workers.',
    cause,
  })
}
