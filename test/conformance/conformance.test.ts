import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { missing } from '../requirements.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { startedServer } from '../support/server-process.ts'
import { Connection } from './connection.ts'
import { runConformance } from './conformance.ts'

/** Leaves of the specification's own suite, and ours. */
const leaves = { strict: 872, sparse: 909 }

for (const { sparse = false, database = false } of [{}, { sparse: true }, { database: true }]) {
  const words = `${sparse ? ', sparse content allowed' : ''}${database ? ', metadata in PostgreSQL' : ''}`
  const skip = database && missing('initdb', 'postgres')
  test(`trow passes every leaf${words}`, { skip }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'trow-conformance-'))
    const postgres = database ? await PostgresServer.start() : undefined
    const server = await startedServer({
      data: join(folder, 'data'),
      args: [
        ...(sparse ? ['--allow-missing', '--allow-sparse-index'] : []),
        ...(postgres === undefined ? [] : ['--database', await postgres.newDatabase(), '--workers', '4']),
      ],
    })
    const connection = new Connection({ url: server.url })
    try {
      const suite = await runConformance({ connection, repositories: ['conf/repo1', 'conf/repo2'], sparse })
      // "Every missing blob is named" needs a registry that refuses them.
      const failed = suite.leaves.filter(
        ({ name, status }) => status !== 'Pass' && !(sparse && name.includes('missing blob')),
      )
      assert.deepEqual(failed, [])
      assert.equal(suite.leaves.length, sparse ? leaves.sparse : leaves.strict)
    } finally {
      connection.close()
      await server.stop()
      await postgres?.stop()
      await rm(folder, { recursive: true, force: true })
    }
  })
}
