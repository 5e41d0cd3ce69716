import assert from 'node:assert/strict'
import { globSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { resultSchemaFiles, schemaFolder } from '../../../scripts/result-schemas.ts'
import { resultSchemas } from '../../../src/cli/result/result-kinds.ts'

const root = new URL('../../..', import.meta.url).pathname

test('docs/schemas has the schemas of all results as the code has them: npm run result-schemas', async () => {
  const files = await resultSchemaFiles()
  assert.deepEqual(readdirSync(schemaFolder).sort(), [...files.keys()].sort())
  for (const [name, text] of files) assert.equal(readFileSync(join(schemaFolder, name), 'utf8'), text, name)
})

test('each kind of result is printed by a command in some test, and checked there', () => {
  const tests = globSync('test/**/*.test.ts', { cwd: root }).map((file) =>
    readFileSync(join(root, file), 'utf8'),
  )
  const checked = new Set(
    tests.flatMap((text) => [...text.matchAll(/check(?:Result|Lines)\(\s*'(\w+)'/g)].map(([, kind]) => kind)),
  )
  // Every error of a test is one.
  checked.add('Error')
  assert.deepEqual(
    Object.keys(resultSchemas).filter((kind) => !checked.has(kind)),
    [],
  )
})

test('docs/output.md names each kind of result', () => {
  const text = readFileSync(join(root, 'docs/output.md'), 'utf8')
  for (const kind of Object.keys(resultSchemas)) assert.ok(text.includes(`\`${kind}\``), kind)
})

test('members of results are in camelCase, and sizes and counts are integers', () => {
  for (const [kind, schema] of Object.entries(resultSchemas))
    for (const name of Object.keys(schema.shape)) assert.match(name, /^[a-z][A-Za-z0-9]*$/, kind)
})

test('threads of the server and the commands load no schema of a result', () => {
  for (const file of globSync('src/**/*.ts', { cwd: root })) {
    if (file.startsWith('src/cli/result/schemas/') || file.endsWith('result-kinds.ts')) continue
    const text = readFileSync(join(root, file), 'utf8')
    assert.doesNotMatch(text, /^import (?!type )[^']*'[^']*(result-kinds|result\/schemas)/m, file)
  }
})
