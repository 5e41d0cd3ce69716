import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseScopes } from '../../src/http/token-scope.ts'

test('scopes end their type at the first colon and begin their actions after the last', () => {
  assert.deepEqual(parseScopes(['repository:host:5000/a/b:pull,push registry:catalog:*']), [
    { type: 'repository', name: 'host:5000/a/b', actions: ['pull', 'push'] },
    { type: 'registry', name: 'catalog', actions: ['*'] },
  ])
  assert.deepEqual(parseScopes(['repository(plugin):a:pull,pull']), [
    { type: 'repository', name: 'a', actions: ['pull'] },
  ])
  assert.deepEqual(parseScopes(['', 'repository', 'repository:', ':a:pull', 'repository::pull']), [])
  const many = (count: number): string[] => Array.from({ length: count }, (_, n) => `repository:a${n}:pull`)
  assert.equal(parseScopes([many(100).join(' '), ...many(100)]).length, 100, 'equal ones count once')
  assert.throws(() => parseScopes([many(60).join(' '), ...many(101)]), /too many scopes/)
})

test('any text is taken without an error, and what is printed is read back', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (values) => {
      for (const { type, name } of parseScopes(values)) assert.ok(type !== '' || name !== '')
    }),
  )
  const word = fc.stringMatching(/^[a-z0-9]{1,8}$/)
  fc.assert(
    fc.property(fc.array(word, { minLength: 1 }), fc.uniqueArray(word, { minLength: 1 }), (path, actions) => {
      const name = path.join('/')
      assert.deepEqual(parseScopes([`repository:${name}:${actions.join(',')}`]), [
        { type: 'repository', name, actions },
      ])
    }),
  )
})
