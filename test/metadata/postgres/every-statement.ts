import { globSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { bindValues, type SqlValue, type Statement, type Values } from '../../../src/metadata/rules/bind.ts'

const sources = new URL('../../../src/metadata/', import.meta.url)
/** Where the hook below leaves what `ownStatement` makes. */
const made: Statement<unknown>[] = []

/** A statement as PostgreSQL is asked for it. */
export interface NamedStatement {
  readonly name: string
  readonly sql: string
  /** The values for `$1`, `$2` and so on. */
  bind(values: Values): readonly SqlValue[]
}

/**
 * Every statement that the metadata have for PostgreSQL, whether its module exports it or not. Must be called before
 * anything else loads `src/metadata/postgres`.
 */
export async function everyStatement(): Promise<readonly NamedStatement[]> {
  Object.assign(globalThis, { madeStatements: made })
  const hooks = registerHooks({
    load(url, context, next) {
      const loaded = next(url, context)
      if (!url.endsWith('/postgres/own-statement.ts')) return loaded
      const source =
        typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source)
      const kept = source.replace(
        'return {',
        'return globalThis.madeStatements[globalThis.madeStatements.length] = {',
      )
      if (kept === source) throw new Error('ownStatement returns no literal any more')
      return { ...loaded, source: kept }
    },
  })
  for (const path of globSync('postgres/*.ts', { cwd: sources.pathname }))
    await import(new URL(path, sources).href)
  hooks.deregister()
  for (const path of globSync('rules/statements/*.ts', { cwd: sources.pathname })) {
    const module = (await import(new URL(path, sources).href)) as Record<string, Statement<unknown>>
    made.push(...Object.values(module))
  }
  return made.flatMap(({ postgres, values }) =>
    postgres === undefined
      ? []
      : [{ ...postgres, bind: (given: Values) => bindValues(postgres.values ?? values, given) }],
  )
}
