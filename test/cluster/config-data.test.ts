import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bundleOf, dataOf, installedHost, secretText } from '../../src/cluster/config-data.ts'

const object = (data: unknown) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data })

test('the data of an object is its texts, and nothing where there is none', () => {
  assert.deepEqual(dataOf(undefined), {})
  for (const none of [undefined, null, 'text', 7, []]) assert.deepEqual(dataOf(object(none)), {})
  assert.deepEqual(dataOf(object({ a: 'text', b: 7, c: null, d: {} })), { a: 'text' })
})

test('what is no text counts as absent wherever data is read', () => {
  assert.equal(bundleOf(object({ 'ca.crt': 7, generation: '1' })), undefined)
  assert.equal(installedHost(object({ 'settings.json': {} })), undefined)
  assert.equal(secretText(object({ 'ca.crt': 7 }), 'ca.crt'), undefined)
})
