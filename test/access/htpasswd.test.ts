import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hashPassword } from '../../src/access/bcrypt.ts'
import { parseHtpasswd, userNameProblem } from '../../src/access/htpasswd.ts'
import { UserError } from '../../src/user-error.ts'

const hashed = await hashPassword('secret', 4)

test('users are read, comments and empty lines are left out', () => {
  const text = `# people\n\nalice:${hashed}\r\nbob.b@example.com:${hashed.replace('$2y$', '$2b$')}\n  \n`
  assert.deepEqual([...parseHtpasswd(text, 'f').keys()], ['alice', 'bob.b@example.com'])
  assert.equal(parseHtpasswd(text, 'f').get('alice'), hashed)
  assert.equal(parseHtpasswd('', 'f').size, 0)
})

test('what is no bcrypt entry is an error with its line and what to do, and shows no hash', () => {
  const rows: [string, RegExp][] = [
    ['alice', /line 2: it is not NAME:HASH/],
    [':x', /name is missing/],
    ['alice:$apr1$ab$secretpart', /MD5 hash/],
    ['alice:{SHA}secretpart', /SHA-1/],
    ['alice:$6$ab$secretpart', /SHA-2/],
    ['alice:secretpart', /plain text/],
    ['alice:', /empty/],
    ['alice:$2y$10$secretpart', /damaged bcrypt/],
    [`alice:${hashed.replace('$04$', '$31$')}`, /cost 31/],
    [`alice:${hashed.replace('$04$', '$03$')}`, /cost 3/],
    [`system:node:n1:${hashed}`, /"system:"/],
    [`robot+ci:${hashed}`, /robots/],
    [`users:${hashed}`, /kind of caller/],
    [`al\u0007ice:${hashed}`, /control/],
    [`a*:${hashed}`, /"\*"/],
    [`carol:${hashed}\ncarol:${hashed}`, /line 3: the name is there twice/],
  ]
  for (const [line, expected] of rows) {
    assert.throws(
      () => parseHtpasswd(`# first\n${line}\n`, 'file'),
      (error) => {
        assert.ok(error instanceof UserError)
        assert.equal(error.code, 'HTPASSWD_INVALID')
        assert.match(error.message, expected)
        assert.ok(!error.message.includes('secretpart') && !error.message.includes(hashed.slice(7)))
        return true
      },
      line,
    )
  }
})

test('whatever is in the file, it is read or refused, and names are what rules can tell apart', () => {
  const line = fc.oneof(
    fc.string(),
    fc.string().map((name) => `${name}:${hashed}`),
  )
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      try {
        for (const name of parseHtpasswd(lines.join('\n'), 'f').keys()) {
          assert.equal(userNameProblem(name), undefined)
          assert.ok(!name.startsWith('system:') && !name.startsWith('robot+') && !/[:*]/.test(name))
        }
      } catch (error) {
        if (!(error instanceof UserError)) throw error
      }
    }),
  )
})
