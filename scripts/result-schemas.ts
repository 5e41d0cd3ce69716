import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'
import { z } from 'zod'
import { resultSchemas } from '../src/cli/result/result-kinds.ts'

export const schemaFolder = fileURLToPath(new URL('../docs/schemas/cli-v1', import.meta.url))

/** The JSON Schema of each kind of result, by the name of its file. */
export async function resultSchemaFiles(): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  for (const [kind, schema] of Object.entries(resultSchemas)) {
    const path = join(schemaFolder, `${kind}.json`)
    const json = z.toJSONSchema(schema, {
      // A result may have more members in a later version of the program.
      io: 'input',
      override: ({ jsonSchema }) => {
        // Those of an integer are what a number of JavaScript can be.
        if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
        if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
        if (jsonSchema.format === 'date-time') delete jsonSchema.pattern
      },
    })
    const { $schema, ...rest } = json
    const text = JSON.stringify({ $schema, title: kind, ...rest })
    const options = { ...(await resolveConfig(path)), filepath: path }
    files.set(`${kind}.json`, await format(text, options))
  }
  return files
}

if (import.meta.main) {
  rmSync(schemaFolder, { recursive: true, force: true })
  mkdirSync(schemaFolder, { recursive: true })
  for (const [name, text] of await resultSchemaFiles()) writeFileSync(join(schemaFolder, name), text)
}
