import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isDigest, parseDigest, parseDigestAlgorithm } from '../../src/oci/digest.ts'
import { OciError } from '../../src/oci/oci-error.ts'
import { referrersTag } from '../../src/oci/referrers-tag.ts'
import { parseRepositoryName } from '../../src/oci/repository-name.ts'
import { parseReference, parseTag } from '../../src/oci/tag.ts'

/** Text that is nearly valid more often than random text is. */
const nearly = fc.oneof(
  fc.string(),
  fc.stringMatching(/^[a-zA-Z0-9._/:@%-]{0,140}$/),
  fc.constantFrom(
    '..',
    '../etc',
    'a/../b',
    '%2e%2e',
    'sha256:',
    'a//b',
    '/a',
    'a/',
    '__',
    'A',
    'a'.repeat(256),
  ),
)

function parses<Value extends string>(parse: (text: string) => Value): void {
  fc.assert(
    fc.property(nearly, (text) => {
      let value: Value
      try {
        value = parse(text)
      } catch (error) {
        assert.ok(error instanceof OciError, `threw ${String(error)}`)
        assert.ok(error.detail !== undefined, 'no detail')
        return
      }
      assert.equal(value, text)
      assert.ok(!value.split('/').includes('..'), 'a path that climbs')
      assert.ok(!/[\s\\%\0]/.test(value))
    }),
    { numRuns: 2000 },
  )
}

test('a digest, name, tag or reference is what was parsed, or an OciError', () => {
  for (const parse of [parseDigest, parseRepositoryName, parseTag, parseReference, parseDigestAlgorithm])
    parses<string>(parse)
})

const legalNames = [
  'a',
  'a/b',
  'a__b',
  'a--b',
  'a.b-c_d',
  'manifests/blobs/tags/uploads',
  `${'a'.repeat(255)}`,
]
const illegalNames = [
  '',
  'A',
  'a..b',
  '_a',
  'a_',
  'a/',
  '/a',
  'a//b',
  'a___b',
  'a b',
  'é',
  `${'a'.repeat(256)}`,
]

test('repository names', () => {
  for (const name of legalNames) assert.equal(parseRepositoryName(name), name)
  for (const name of illegalNames)
    assert.throws(() => parseRepositoryName(name), { code: 'NAME_INVALID' }, name)
})

test('tags', () => {
  for (const tag of ['a', '_', 'A.b-c_D', 'x'.repeat(128)]) assert.equal(parseTag(tag), tag)
  for (const tag of ['', '.a', '-a', 'a/b', 'x'.repeat(129)])
    assert.throws(() => parseTag(tag), { code: 'TAG_INVALID' })
})

test('digests', () => {
  const hex = fc.stringMatching(/^[0-9a-f]{64}$/)
  fc.assert(
    fc.property(hex, (digits) => isDigest(`sha256:${digits}`) && isDigest(`sha512:${digits}${digits}`)),
  )
  for (const text of [
    'sha256:abc',
    `sha256:${'A'.repeat(64)}`,
    `md5:${'0'.repeat(32)}`,
    `sha512:${'0'.repeat(64)}`,
  ]) {
    assert.throws(() => parseDigest(text), { code: 'DIGEST_INVALID' })
  }
})

test('the referrers tag of a digest, cut as the specification says', () => {
  assert.equal(referrersTag(parseDigest(`sha256:${'ab'.repeat(32)}`)), `sha256-${'ab'.repeat(32)}`)
  assert.equal(referrersTag(parseDigest(`sha512:${'ab'.repeat(64)}`)), `sha512-${'ab'.repeat(32)}`)
})
