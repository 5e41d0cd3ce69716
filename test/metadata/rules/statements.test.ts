import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { statementModules, statementsFolder } from '../../../scripts/statements.ts'

test('the statements are what the queries come to: npm run statements', async () => {
  const modules = await statementModules()
  assert.deepEqual(readdirSync(statementsFolder).sort(), [...modules.keys()])
  for (const [file, text] of modules)
    assert.equal(readFileSync(join(statementsFolder, file), 'utf8'), text, file)
})
