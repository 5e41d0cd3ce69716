import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import {
  referenceFile,
  schemaFile,
  settingsJsonSchema,
  settingsReference,
} from '../../scripts/configuration.ts'
import { settingGroups } from '../../src/settings/setting-groups.ts'
import { settingNames } from '../../src/settings/setting-info.ts'
import { resolveSettings } from '../../src/settings/settings.ts'

const folder = mkdtempSync(join(tmpdir(), 'trow-configuration-'))
after(() => rmSync(folder, { recursive: true }))

test('the reference and the JSON Schema of trow.yaml are as the settings are: npm run configuration', async () => {
  assert.equal(readFileSync(referenceFile, 'utf8'), await settingsReference())
  assert.equal(readFileSync(schemaFile, 'utf8'), await settingsJsonSchema())
})

test('every setting is in one group, and so in help and in the reference', () => {
  const grouped = settingGroups.flatMap(({ names }) => names)
  assert.deepEqual(grouped.toSorted(), settingNames.toSorted())
  const reference = readFileSync(referenceFile, 'utf8')
  for (const name of settingNames) assert.match(reference, new RegExp(`^\\| \`${name}\` `, 'm'))
})

test('the example of the reference loads', async () => {
  const [, example] = /```yaml\n([\s\S]*?)```/.exec(readFileSync(referenceFile, 'utf8')) ?? []
  const file = join(folder, 'trow.yaml')
  writeFileSync(file, example ?? '')
  const { settings } = await resolveSettings({ flags: {}, env: {}, file, cores: 2 })
  assert.equal(settings.access?.length, 2)
  assert.equal(settings.untagged.length, 1)
})
