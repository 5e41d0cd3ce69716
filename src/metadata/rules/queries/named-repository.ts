import { sql } from 'kysely'
import { parameter } from './query.ts'

/**
 * The id of the repository with the name `name`, also of a vacated one: a change can ask what is in a repository
 * before it knows the id.
 */
export const namedRepository = sql<number>`(select id from repository where name = ${parameter<string>('name')})`
