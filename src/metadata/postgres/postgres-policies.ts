import type {
  PolicyDocument,
  PolicyDocumentEdit,
  PolicyDocumentName,
  PolicyDocumentOutcome,
  SharedPolicies,
  SharedPoliciesLook,
} from '../policy-generation.ts'
import type { Database } from '../rules/database.ts'
import { engineTime } from './engine-clock.ts'
import { ownStatement } from './own-statement.ts'
import { documentsAfter, findDocument } from './policy-documents.ts'
import type { PostgresRunner } from './postgres-runner.ts'

interface LookRow {
  readonly now: number
  readonly revision: number
  readonly generation: number | null
  readonly identity: string | null
  readonly heard: number | null
}

const look = ownStatement<LookRow>(
  'policies.look',
  `select ${engineTime} as now, revision, generation, identity,
     (extract(epoch from clock_timestamp() - heard_at) * 1000)::bigint as heard
   from policy_revision left join policy_in_force on true`,
  [],
)

/** The policies that the processes of a registry share. */
export class PostgresPolicies implements SharedPolicies {
  readonly kind = 'shared'
  readonly #database: Pick<Database, 'get' | 'all'>
  readonly #changes: Pick<PostgresRunner, 'runOwn'>

  constructor(parts: {
    readonly database: Pick<Database, 'get' | 'all'>
    readonly changes: Pick<PostgresRunner, 'runOwn'>
  }) {
    this.#database = parts.database
    this.#changes = parts.changes
  }

  async look(): Promise<SharedPoliciesLook> {
    const row = await this.#database.get(look, {})
    if (row === undefined) throw new Error('the database has lost its revision of policies')
    const { now, revision, generation, identity, heard } = row
    const newest =
      generation === null || identity === null || heard === null ? undefined : { generation, identity, heard }
    return { now, revision, newest }
  }

  bring(set: Parameters<SharedPolicies['bring']>[0]): ReturnType<SharedPolicies['bring']> {
    return this.#changes.runOwn('bringPolicies', set)
  }

  hold(generation: number): Promise<void> {
    return this.#changes.runOwn('holdPolicies', { generation })
  }

  async documents(after: number): Promise<readonly PolicyDocument[]> {
    const rows = await this.#database.all(documentsAfter, { after })
    return rows.map(({ kind, name, version, changed_by: changedBy, changed_at: changedAt, document }) => ({
      kind,
      name,
      version,
      changedBy,
      changedAt,
      document: document ?? undefined,
    }))
  }

  async findDocument({
    kind,
    name,
  }: PolicyDocumentName): Promise<{ readonly document: string; readonly hash: string } | undefined> {
    return this.#database.get(findDocument, { kind, name })
  }

  writeDocument(edit: PolicyDocumentEdit): Promise<PolicyDocumentOutcome> {
    return this.#changes.runOwn('writePolicyDocument', edit)
  }
}
