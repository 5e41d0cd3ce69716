import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { makeAuthority, namesOfAuthority } from '../../src/certificates/certificate-authority.ts'
import { decodeNameConstraints, encodeNameConstraints } from '../../src/certificates/name-constraints.ts'

suite('name constraints', () => {
  test('what was written is read', () => {
    const names = fc.array(fc.domain(), { maxLength: 20 })
    const ranges = fc.array(
      fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })).map(([address, bits]) => `${address}/${bits}`),
      { maxLength: 20 },
    )
    fc.assert(
      fc.property(names, ranges, (dnsNames, given) => {
        const read = decodeNameConstraints(encodeNameConstraints(dnsNames, given))
        assert.deepEqual(read, { dnsNames, ranges: given })
      }),
    )
  })

  test('what is no DER is refused, never looped over', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          decodeNameConstraints(bytes)
        } catch (error) {
          assert.ok(error instanceof RangeError)
        }
      }),
    )
  })

  test('the next CA is made for what the last one was made for', async () => {
    const crypto = webcrypto as Crypto
    const first = await makeAuthority(
      ['trow.trow.svc', 'registry.example'],
      ['192.0.2.7', '2001:db8::5'],
      crypto,
    )
    const { names, addresses } = namesOfAuthority(first.cert)
    assert.deepEqual(names, ['trow.trow.svc', 'registry.example', 'localhost', 'host.docker.internal'])
    assert.deepEqual(addresses, ['192.0.2.7', '2001:db8:0:0:0:0:0:5'])
    const second = await makeAuthority(names, addresses, crypto)
    assert.deepEqual(namesOfAuthority(second.cert), { names, addresses })
  })
})
