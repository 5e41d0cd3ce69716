import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Connection } from '../../../src/metadata/postgres/connection.ts'
import * as auditStatements from '../../../src/metadata/postgres/audit-statements.ts'
import * as blobs from '../../../src/metadata/rules/statements/blobs.ts'
import * as contents from '../../../src/metadata/rules/statements/contents.ts'
import * as figures from '../../../src/metadata/rules/statements/figures.ts'
import * as garbage from '../../../src/metadata/rules/statements/garbage.ts'
import * as history from '../../../src/metadata/rules/statements/history.ts'
import * as manifests from '../../../src/metadata/rules/statements/manifests.ts'
import * as reads from '../../../src/metadata/rules/statements/reads.ts'
import * as repositories from '../../../src/metadata/rules/statements/repositories.ts'
import * as untagged from '../../../src/metadata/rules/statements/untagged.ts'
import * as uploads from '../../../src/metadata/rules/statements/uploads.ts'
import type { Statement } from '../../../src/metadata/rules/bind.ts'
import { missing } from '../../requirements.ts'
import { TestPostgres } from './open-postgres.ts'

const skip = missing('initdb', 'postgres')

/** 1,000 repositories of 100 images each, with their layers, and what is left of earlier ones. */
const content = `
  insert into repository (name, created_at) select 'team/app' || n, 1 from generate_series(1, 1000) n;
  insert into manifest (repository_id, digest, media_type, subject, artifact_type, size, pushed_at, untagged_since, first_seen)
    select n % 1000 + 1, 'sha256:m' || n, 'x', case when n % 10 = 0 then 'sha256:m' || n + 1 end, case when n % 10 = 0 then 'sig' end, 500, 1, case when n % 100 = 0 then n end, 1
    from generate_series(1, 100000) n;
  insert into manifest_body select n, 'x' from generate_series(1, 100000) n;
  insert into tag (repository_id, name, manifest_id, updated_at, since) select n % 1000 + 1, 'v' || n, n, 1, 1 from generate_series(1, 100000) n;
  insert into blob (digest, size, data_key, state, unlinked_since, condemned_at)
    select 'sha256:b' || n, 10, case when n % 2 = 0 then 'key' || n end, case when n % 1000 = 0 then 'condemned' else 'live' end, case when n % 500 = 0 then n end, case when n % 1000 = 0 then n end
    from generate_series(1, 100000) n;
  insert into blob_body select n, 'x' from generate_series(1, 100000, 2) n;
  insert into repository_blob select n % 1000 + 1, n, case when n % 100 = 0 then n end from generate_series(1, 100000) n;
  insert into manifest_reference select n % 1000 + 1, 'sha256:b' || n, n, 'layer', 1 from generate_series(1, 100000) n;
  insert into past_manifest select n % 1000 + 1, 'sha256:p' || n, n, 1, 0, null, n from generate_series(1, 50000) n;
  insert into past_tag (sequence, digest, since, since_at_latest, until, repository_id, name, removal)
    select 1, 'sha256:p' || n, 1, 0, n, n % 1000 + 1, 'w' || n, n from generate_series(1, 50000) n;
  insert into upload (id, repository_id, algorithm, size, started_at, touched_at) select 'u' || n, n % 1000 + 1, 'sha256', 0, 1, n from generate_series(1, 20000) n;
  insert into pending_delete select 'gone' || n from generate_series(1, 5000) n;
  insert into outbox (note, total) select 'x', n from generate_series(1, 20000) n;
  insert into denial_outbox (note, total) select 'x', n from generate_series(1, 20000) n;
  insert into audit_line select 'changes', n, 'x' from generate_series(1, 50000) n;
  insert into audit_segment (log, first, last, hash, bytes, closed_at, claimed_at, state, object)
    select 'changes', n * 10, n * 10 + 9, 'x', 1, 1, 1, 'sealed', 'x' from generate_series(1, 20000) n;`

/** They read whole tables, a part at a time, or have no condition. */
const ofNoRequest = [
  'counts', 'outboxSize', 'denialsSize', 'pendingDeletes', 'robots', 'signingKeys', 'loginSources',
] // prettier-ignore

/** Small tables may be scanned. */
const slow =
  /Seq Scan on "?(repository|manifest|tag|blob|upload|past_|pending|outbox|denial|audit_line|audit_segment)|Hash (Left |Right )?(Join|Semi|Anti)|Merge (Left )?(Join|Anti|Semi)/

suite('plans of PostgreSQL, for any values', { skip }, () => {
  const postgres = new TestPostgres()

  test('no statement scans a table or hashes one', async (t) => {
    const connection = await Connection.open({ connectionString: await postgres.newRegistry() })
    t.after(() => connection.close())
    await connection.run(content)
    await connection.run('analyze')
    const { queueStatements, ...audit } = auditStatements
    const modules = [
      audit, queueStatements.changes, queueStatements.denials,
      blobs, contents, figures, garbage, history, manifests, reads, repositories, untagged, uploads,
    ] // prettier-ignore
    const statements = modules.flatMap((module) => Object.entries<Statement<unknown>>(module))
    let seen = 0
    const found: string[] = []
    for (const [name, { postgres: text, values }] of statements) {
      if (ofNoRequest.includes(name) || text === undefined) continue
      await connection.run(`prepare "${text.name}" as ${text.sql}`)
      const given = (text.values ?? values).map(() => 'null').join(', ')
      const { rows } = await connection.run<Record<string, string>>(
        `explain execute "${text.name}"${given === '' ? '' : `(${given})`}`,
      )
      const plan = rows.map((row) => row['QUERY PLAN'] ?? '').join('\n')
      if (slow.test(plan)) found.push(`${text.name}\n${plan}`)
      seen += 1
    }
    assert.deepEqual(found, [])
    assert.ok(seen > 80, `${seen}`)
  })
})
