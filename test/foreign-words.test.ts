import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { z } from 'zod'
import { checkForeign, ForeignJsonError } from '../src/foreign-json.ts'

// What is wrong with JSON of another program is said in plain words, whatever the schema asks for.

const secret = 'hunter2'
const rows: readonly (readonly [schema: z.ZodType, value: unknown, words: string])[] = [
  [z.string(), 7, 'it is not text'],
  [z.string(), undefined, 'it is missing'],
  [z.string(), null, 'it is null'],
  [z.number(), secret, 'it is not a number'],
  [z.int(), 1.5, 'it is not a whole number'],
  [z.boolean(), secret, 'it is not true or false'],
  [z.array(z.string()), {}, 'it is not a list'],
  [z.array(z.string()), ['a', 7], '[1] is not text'],
  [z.object({}), [], 'it is not an object'],
  [z.record(z.string(), z.string()), secret, 'it is not an object'],
  [z.literal('v1'), secret, 'it is not "v1"'],
  [z.literal(1), 2, 'it is not 1'],
  [z.enum(['a', 'b']), secret, 'it is not "a" or "b"'],
  [z.enum(['a', 'b']), undefined, 'it is missing'],
  [z.string().min(8), secret, 'it is too short'],
  [z.string().max(2), secret, 'it is too long'],
  [z.array(z.string()).min(1), [], 'it is too short'],
  [z.array(z.string()).max(1), ['a', 'b'], 'it is too long'],
  [z.number().min(1), 0, 'it is too small'],
  [z.number().max(1), 2, 'it is too large'],
  [z.number().multipleOf(2), 3, 'it cannot be used'],
  [z.iso.datetime(), secret, 'it is not a time'],
  [z.url(), secret, 'it is not a URL'],
  [z.string().regex(/^\d+$/), secret, 'it has another form'],
  [z.string().refine(() => false), secret, 'it cannot be used'],
  [z.string().refine(() => false, 'is no digest'), secret, 'it is no digest'],
  [z.union([z.string(), z.number()]), true, 'it has another form'],
  [
    z.discriminatedUnion('kind', [z.object({ kind: z.literal('a') })]),
    { kind: secret },
    'kind has another form',
  ],
  [z.strictObject({}), { extra: secret }, 'it has a field that is not known: extra'],
  [z.record(z.enum(['a']), z.string()), { a: '1', b: secret }, 'it has a field that is not known: b'],
  [z.record(z.string().max(1), z.string()), { long: secret }, 'long cannot be used'],
  [z.object({ 'settings.json': z.string() }), {}, 'settings.json is missing'],
  [z.object({ a: z.array(z.object({ b: z.string() })) }), { a: [{}] }, 'a[0].b is missing'],
]

suite('what is wrong with JSON of others', () => {
  for (const [schema, value, words] of rows)
    test(words, () => {
      assert.throws(
        () => checkForeign(value, schema),
        (error) => error instanceof ForeignJsonError && assert.equal(error.message, words) === undefined,
      )
    })

  test('a place is told without its end where it is long', () => {
    const schema = z.record(z.string(), z.number())
    assert.throws(() => checkForeign({ ['k'.repeat(100_000)]: secret }, schema), {
      message: `${'k'.repeat(200)}… is not a number`,
    })
  })
})
