import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { format, resolveConfig } from 'prettier'
import { Parameter, type Statement } from '../src/metadata/rules/bind.ts'

export const statementsFolder = fileURLToPath(new URL('../src/metadata/rules/statements/', import.meta.url))

const queriesFolder = fileURLToPath(new URL('../src/metadata/rules/queries/', import.meta.url))
const without = ['query.ts', 'schema.ts', 'engines.ts', 'named-repository.ts']

/** What the modules of src/metadata/rules/queries come to, as modules that need no query builder: text by file name. */
export async function statementModules(): Promise<Map<string, string>> {
  const modules = new Map<string, string>()
  const options = await resolveConfig(statementsFolder)
  for (const file of readdirSync(queriesFolder).sort()) {
    if (without.includes(file)) continue
    const statements = (await import(pathToFileURL(join(queriesFolder, file)).href)) as Record<
      string,
      Statement<unknown>
    >
    const text = moduleOf(file, Object.entries(statements))
    modules.set(file, await format(text, { ...options, parser: 'typescript' }))
  }
  return modules
}

function moduleOf(file: string, statements: readonly (readonly [string, Statement<unknown>])[]): string {
  const lines = statements.map(([name, { sql, values, postgres }]) => {
    const given = listOf(values)
    const others = listOf(postgres?.values ?? [])
    const ofPostgres = [
      `name: '${basename(file, '.ts')}.${name}'`,
      `sql: ${JSON.stringify(postgres?.sql)}`,
      ...(others === given ? [] : [`values: ${others}`]),
    ]
    return `export const ${name}: typeof queries.${name} = { sql: ${JSON.stringify(sql)}, values: ${given}, postgres: { ${ofPostgres.join(', ')} } }`
  })
  const bound = statements.some(([, { values }]) => values.some((value) => value instanceof Parameter))
  return [
    `// Made of ../queries/${file} by npm run statements.`,
    ...(bound ? ["import { Parameter } from '../bind.ts'"] : []),
    `import type * as queries from '../queries/${file}'`,
    '',
    ...lines,
    '',
  ].join('\n')
}

function listOf(values: readonly unknown[]): string {
  return `[${values.map(literalOf).join(', ')}]`
}

function literalOf(value: unknown): string {
  if (value instanceof Parameter) return `new Parameter(${JSON.stringify(value.name)})`
  if (value === null || typeof value === 'string' || typeof value === 'number') return JSON.stringify(value)
  throw new Error(`a constant of a query is no text and no number: ${typeof value}`)
}

if (import.meta.main) {
  const modules = await statementModules()
  rmSync(statementsFolder, { recursive: true, force: true })
  mkdirSync(statementsFolder)
  for (const [file, text] of modules) writeFileSync(join(statementsFolder, file), text)
}
