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
export const uploadKey = compile(
  queries
    .selectFrom('upload')
    .select('data_key')
    .where('id', '=', parameter<string>('id'))
    .where('repository_id', '=', parameter<number>('repository'))
    .where(isLastClaim),
)
export const deleteUpload = compile(
  queries.deleteFrom('upload').where('id', '=', parameter<string>('id')).where(isLastClaim),
)
export const emptyUpload = compile(
  queries
    .selectFrom('upload')
    .innerJoin('repository', 'repository.id', 'upload.repository_id')
    .select('upload.id')
    .where('upload.id', '=', parameter<string>('id'))
    .where('repository.name', '=', parameter<string>('name'))
    .where('upload.size', '=', 0)
    .where('upload.data_key', 'is', null)
    .where(isUnclaimed),
)
