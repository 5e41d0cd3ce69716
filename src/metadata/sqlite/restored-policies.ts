import { Parameter, type Statement } from '../rules/bind.ts'
import { SqliteDatabase } from './sqlite-database.ts'

/** A policy or exception. The file may be anybody's: nothing of it is checked. */
export interface RestoredPolicy {
  readonly kind: string
  readonly name: string
  /** JSON. */
  readonly document: string
}

const next: Statement<RestoredPolicy> = {
  sql: 'select kind, name, document from policy_document where (kind, name) > (?, ?) order by kind, name limit 1',
  values: [new Parameter('kind'), new Parameter('name')],
}

/**
 * Yields the policies and exceptions that a file holds which no process has open, one at a time: they may have megabytes.
 * An earlier program wrote files without any.
 */
export function* restoredPolicies(path: string): Generator<RestoredPolicy> {
  const database = new SqliteDatabase(path)
  try {
    if (database.query("select 1 from sqlite_master where name = 'policy_document'") === undefined) return
    for (let found = database.get(next, { kind: '', name: '' }); found !== undefined;) {
      yield found
      found = database.get(next, { kind: found.kind, name: found.name })
    }
  } finally {
    database.close()
  }
}
