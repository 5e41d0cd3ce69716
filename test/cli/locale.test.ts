import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asciiText, isUtf8 } from '../../src/cli/locale.ts'
import { runCommand } from '../support/run-trow.ts'

test('the first variable that is not empty decides about the locale', () => {
  assert.equal(isUtf8({ LANG: 'de_DE.UTF-8' }, 'linux'), true)
  assert.equal(isUtf8({ LC_CTYPE: 'en_US.utf8', LANG: 'C' }, 'linux'), true)
  assert.equal(isUtf8({ LC_ALL: 'C', LANG: 'de_DE.UTF-8' }, 'linux'), false)
  assert.equal(isUtf8({ LC_ALL: '', LANG: 'de_DE.ISO-8859-1' }, 'linux'), false)
  assert.equal(isUtf8({}, 'linux'), false)
  assert.equal(isUtf8({}, 'win32'), true)
})

test("trow's own signs have a form in ASCII, other characters are escaped", () => {
  assert.equal(asciiText('√ done … ×2 → é 🙂'), '+ done ... x2 -> \\u00e9 \\u1f642')
})

test('help is ASCII where the locale is', async () => {
  const isAscii = /^[\n\u0020-\u007e]*$/
  const args = ['quarantine', '--help']
  const { stdout } = await runCommand(args, { env: { LC_ALL: 'C' } })
  assert.match(stdout, isAscii)
  assert.match(stdout, /sha256:0f3a\.\.\. --lift/)
  assert.doesNotMatch((await runCommand(args)).stdout, isAscii)
})
