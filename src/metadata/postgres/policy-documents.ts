import type { PolicyDocumentEdit, PolicyDocumentName, PolicyDocumentOutcome } from '../policy-generation.ts'
import { durable, type Transaction } from '../rules/change.ts'
import { alone } from '../rules/locks.ts'
import { engineTime } from './engine-clock.ts'
import { ownStatement } from './own-statement.ts'

export interface DocumentRow extends PolicyDocumentName {
  readonly version: number
  readonly changed_by: string
  readonly changed_at: number
  readonly document: string | null
}

export const documentsAfter = ownStatement<DocumentRow>(
  'policies.documents',
  `select kind, name, version, changed_by, changed_at, case when version > $1 then document end as document
   from policy_document order by kind, name`,
  ['after'],
)
export const findDocument = ownStatement<{ document: string; hash: string }>(
  'policies.document',
  'select document, hash from policy_document where kind = $1 and name = $2',
  ['kind', 'name'],
)
const findHash = ownStatement<{ hash: string }>(
  'policies.hash',
  'select hash from policy_document where kind = $1 and name = $2',
  ['kind', 'name'],
)
const nextRevision = ownStatement<{ revision: number }>(
  'policies.revise',
  'update policy_revision set revision = revision + 1 returning revision',
  [],
)
const put = ownStatement(
  'policies.write',
  `insert into policy_document (kind, name, document, hash, changed_by, changed_at, version)
   values ($1, $2, $3, $4, $5, ${engineTime}, $6)
   on conflict (kind, name) do update set document = excluded.document, hash = excluded.hash,
     changed_by = excluded.changed_by, changed_at = excluded.changed_at, version = excluded.version`,
  ['kind', 'name', 'document', 'hash', 'changedBy', 'version'],
)
const remove = ownStatement('policies.remove', 'delete from policy_document where kind = $1 and name = $2', [
  'kind',
  'name',
])
const others = ownStatement<{ documents: number; characters: number }>(
  'policies.others',
  `select count(*) as documents, coalesce(sum(length(document)), 0) as characters from policy_document
   where kind <> $1 or name <> $2`,
  ['kind', 'name'],
)

/** See `SharedPolicies.writeDocument`. */
export const writePolicyDocument = durable(
  { locks: () => [alone('policy documents')] },
  async (transaction: Transaction, edit: PolicyDocumentEdit): Promise<PolicyDocumentOutcome> => {
    const { kind, name, content, from, changedBy, most } = edit
    const hash = (await transaction.get(findHash, { kind, name }))?.hash ?? null
    if (hash === null && content === undefined) return { kind: 'unknown' }
    if (from !== undefined && from !== hash) return { kind: 'conflict', hash }
    if (content === undefined) {
      await transaction.run(remove, { kind, name })
      await transaction.get(nextRevision, {})
      return { kind: 'written' }
    }
    const rest = (await transaction.get(others, { kind, name })) ?? { documents: 0, characters: 0 }
    if (rest.documents >= most.documents || rest.characters + content.document.length > most.characters)
      return { kind: 'full' }
    const version = (await transaction.get(nextRevision, {}))?.revision ?? 0
    await transaction.run(put, { kind, name, ...content, changedBy, version })
    return { kind: 'written' }
  },
)
