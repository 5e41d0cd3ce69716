import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { parseImageId } from '../../src/scan/image-id.ts'

const hex = '0123456789abcdef'.repeat(4)
const digest = `sha256:${hex}`

suite('the image id of a running container', () => {
  const rows: readonly [form: string, digest: string | undefined, isConfig?: boolean][] = [
    [`ghcr.io/acme/app@${digest}`, digest, false],
    [`docker-pullable://ghcr.io/acme/app@${digest}`, digest, false],
    [`registry:5000/app@${digest}`, digest, false],
    [`app@sha512:${hex}${hex}`, `sha512:${hex}${hex}`, false],
    [digest, digest, true],
    [`docker://${digest}`, digest, true],
    [hex, digest, true],
    ['', undefined],
    ['ghcr.io/acme/app:1.4', undefined],
    [`ghcr.io/acme/app@sha256:${hex.toUpperCase()}`, undefined],
    [`ghcr.io/acme/app@${digest}0`, undefined],
    [hex.slice(1), undefined],
    [`x@${digest}@`, undefined],
    ['a'.repeat(100_000), undefined],
  ]
  for (const [form, expected, isConfig] of rows)
    test(`${form.slice(0, 60) || 'nothing'} is ${expected === undefined ? 'none' : isConfig ? 'a config' : 'a manifest or an index'}`, () => {
      assert.deepEqual(
        parseImageId(form),
        expected === undefined ? undefined : { digest: expected, isConfig },
      )
    })

  test('no value makes it throw, and what it finds is in the text', () => {
    const pieces = fc.constantFrom(
      'docker-pullable://',
      'docker://',
      '@',
      digest,
      hex,
      'ghcr.io/a',
      ':',
      '/',
      '://',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.anything(),
          fc.array(pieces).map((each) => each.join('')),
        ),
        (value) => {
          const found = parseImageId(value)
          if (found === undefined) return
          assert.ok(typeof value === 'string' && value.includes(found.digest.slice('sha256:'.length)))
          assert.match(found.digest, /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/)
        },
      ),
    )
  })

  test('whatever registry and path stand before a digest, it is found', () => {
    const path = fc.stringMatching(/^[a-z0-9.:/-]{1,80}$/)
    fc.assert(
      fc.property(path, fc.constantFrom('', 'docker-pullable://'), (name, scheme) => {
        fc.pre(!name.includes('://'))
        assert.equal(parseImageId(`${scheme}${name}@${digest}`)?.digest, digest)
      }),
    )
  })
})
