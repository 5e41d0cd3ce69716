import type { KeyObject } from 'node:crypto'

const leastBits = 2048
const leastExponent = 65_537n
const curves = ['prime256v1', 'secp384r1', 'secp521r1']

/**
 * Returns why a public or private key is too weak, as text; `undefined` if it is strong enough: RSA of 2,048
 * bits or more with a public exponent of 65,537 or more (NIST SP 800-57 part 1, SP 800-56B), ECDSA on P-256,
 * P-384 or P-521, Ed25519, Ed448.
 */
export function weaknessOf(key: KeyObject): string | undefined {
  const { asymmetricKeyType: kind = 'unknown' } = key
  const { modulusLength = 0, publicExponent = 0n, namedCurve = '' } = key.asymmetricKeyDetails ?? {}
  if (kind === 'ed25519' || kind === 'ed448') return undefined
  if (kind === 'ec') {
    if (curves.includes(namedCurve)) return undefined
    return `its key is on the curve ${namedCurve}, and only P-256, P-384 and P-521 are taken`
  }
  if (kind !== 'rsa' && kind !== 'rsa-pss')
    return `its key is of the kind ${kind}, and only RSA, ECDSA and EdDSA are taken`
  if (modulusLength < leastBits)
    return `its RSA key has ${modulusLength} bits, and ${leastBits} are the least`
  if (publicExponent < leastExponent)
    return `its RSA key has the exponent ${publicExponent}, and ${leastExponent} is the least`
  return undefined
}
