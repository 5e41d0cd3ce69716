import { compile, parameter, queryBuilder } from './query.ts'
import { isLastClaim, isUnclaimed } from './engines.ts'

const queries = queryBuilder()

export const insertUpload = compile(
  queries.insertInto('upload').values({
    id: parameter<string>('id'),
    repository_id: parameter<number>('repository'),
    algorithm: parameter<string>('algorithm'),
    data_key: null,
    parts: null,
    size: 0,
    inline_bytes: null,
    hash_state: null,
    digest: null,
    cut_from: null,
    started_at: parameter<number>('now'),
    touched_at: parameter<number>('now'),
  }),
)
export const updateUpload = compile(
  queries
    .updateTable('upload')
    .set({
      data_key: parameter<string | null>('key'),
      parts: parameter<string | null>('parts'),
      size: parameter<number>('size'),
      inline_bytes: parameter<Uint8Array | null>('bytes'),
      hash_state: parameter<Uint8Array | null>('hashState'),
      digest: parameter<string | null>('digest'),
      cut_from: parameter<number | null>('cutFrom'),
      touched_at: parameter<number>('now'),
    })
    .where('id', '=', parameter<string>('id'))
    .where(isLastClaim),
)
const ofRepository = queries
  .selectFrom('repository')
  .select('id')
  .where('name', '=', parameter<string>('name'))
  .where('vacated_at', 'is', null)
export const uploadKey = compile(
  queries
    .selectFrom('upload')
    .select('data_key')
    .where('id', '=', parameter<string>('id'))
    .where('repository_id', '=', ofRepository)
    .where(isLastClaim),
)
export const deleteUpload = compile(
  queries.deleteFrom('upload').where('id', '=', parameter<string>('id')).where(isLastClaim),
)
/** Ends an upload of the repository that holds nothing, and that nobody writes to. */
export const deleteEmptyUpload = compile(
  queries
    .deleteFrom('upload')
    .where('id', '=', parameter<string>('id'))
    .where('size', '=', 0)
    .where('data_key', 'is', null)
    .where('repository_id', '=', ofRepository)
    .where(isUnclaimed)
    .where(isLastClaim),
)
