import assert from 'node:assert/strict'
import { test, suite } from 'node:test'
import fc from 'fast-check'
import {
  editConfig,
  forget,
  setHelper,
  setPassword,
  type EngineConfig,
} from '../../src/login/engine-config.ts'
import { UserError } from '../../src/user-error.ts'

const auth = Buffer.from('trow:s').toString('base64')
const logIn = (config: EngineConfig): void => setPassword(config, 'trow.trow.svc', 'trow', 's')
const logOut = (config: EngineConfig): void => void forget(config, 'trow.trow.svc', 'trow')

suite('a config, before and after', () => {
  const rows: readonly (readonly [
    says: string,
    before: string | undefined,
    edit: (config: EngineConfig) => void,
    after: string,
  ])[] = [
    [
      'that is not there',
      undefined,
      logIn,
      `{\n\t"auths": {\n\t\t"trow.trow.svc": {\n\t\t\t"auth": "${auth}"\n\t\t}\n\t}\n}\n`,
    ],
    [
      'with other entries, unknown keys, long numbers and two blanks',
      '{\n  "HttpHeaders": {"X": "y"},\n  "n": 12345678901234567890.10,\n  "auths": {"ghcr.io": {"auth": "eA=="}}\n}\n',
      logIn,
      `{\n  "HttpHeaders": {\n    "X": "y"\n  },\n  "n": 12345678901234567890.10,\n  "auths": {\n    "ghcr.io": {\n      "auth": "eA=="\n    },\n    "trow.trow.svc": {\n      "auth": "${auth}"\n    }\n  }\n}\n`,
    ],
    [
      'with an earlier login',
      '{"auths":{"trow.trow.svc":{"auth":"old","identitytoken":"i","email":"e"}}}',
      logIn,
      `{"auths":{"trow.trow.svc":{"auth":"${auth}","email":"e"}}}`,
    ],
    [
      'with a helper for it',
      '{"credHelpers":{"ghcr.io":"gh"}}',
      (config) => setHelper(config, 'trow.trow.svc', 'trow'),
      '{"credHelpers":{"ghcr.io":"gh","trow.trow.svc":"trow"}}',
    ],
    [
      'logged out, in all spellings',
      `{"auths":{"https://trow.trow.svc/v2/":{},"trow.trow.svc":{},"trow.trow.svc:5000":{}},"credHelpers":{"trow.trow.svc":"trow"},"x":1}`,
      logOut,
      '{"auths":{"trow.trow.svc:5000":{}},"x":1}',
    ],
    [
      'of somebody else, logged out',
      '{"credHelpers":{"trow.trow.svc":"pass"}}',
      logOut,
      '{"credHelpers":{"trow.trow.svc":"pass"}}',
    ],
    ['that is empty', '', logIn, `{"auths":{"trow.trow.svc":{"auth":"${auth}"}}}`],
  ]
  for (const [says, before, edit, after] of rows) {
    test(says, () => assert.equal(editConfig('config.json', before, edit), after))
  }

  for (const before of ['{"auths": {"a": {"auth": "canary', '[]', '"canary"', '{"auths":["canary"]}']) {
    test(`that is unusable is left alone: ${before}`, () => {
      assert.throws(
        () => editConfig('config.json', before, logIn),
        (error) => error instanceof UserError && !error.message.includes('canary'),
      )
    })
  }

  test('a login and a logout leave any other content as it was', () => {
    const others = fc
      .dictionary(
        fc.string().filter((key) => !['auths', 'credHelpers', '__proto__'].includes(key)),
        fc.jsonValue(),
      )
      .map((rest) => ({ auths: { 'ghcr.io': { auth: 'eA==' } }, ...rest }))
    fc.assert(
      fc.property(others, fc.constantFrom(undefined, 2, '\t'), (config, indent) => {
        const before = JSON.stringify(config, undefined, indent)
        assert.equal(editConfig('f', editConfig('f', before, logIn), logOut), before)
      }),
    )
  })
})
