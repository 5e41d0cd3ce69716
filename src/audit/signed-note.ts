import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto'

/** Signs texts in the C2SP signed-note format with Ed25519: https://c2sp.org/signed-note. */
export interface NoteSigner {
  /** `<name>+<hash>+<key>`, the verifier key format of Go's note package. */
  readonly verifier: string
  /** `text` must end with a newline. */
  sign(text: string): string
}

const ed25519 = 0x01
const dash = '\u2014'

/** A new private key, PKCS #8 PEM. */
export function newSigningKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** `name`: the key's name, without spaces and `+`. */
export function openSigner(name: string, privateKey: string): NoteSigner {
  const key = createPrivateKey(privateKey)
  const publicKey = rawPublicKey(createPublicKey(key))
  const id = keyId(name, publicKey)
  return {
    verifier: `${name}+${id.toString('hex')}+${Buffer.concat([Buffer.of(ed25519), publicKey]).toString('base64')}`,
    sign(text) {
      const signature = Buffer.concat([id, sign(undefined, Buffer.from(text), key)]).toString('base64')
      return `${text}\n${dash} ${name} ${signature}\n`
    },
  }
}

/** Returns the text if one of its signatures is by the verifier's key; otherwise undefined. */
export function openNote(note: string, verifier: string): string | undefined {
  const split = note.lastIndexOf('\n\n')
  const key = parseVerifier(verifier)
  if (split < 0 || key === undefined || !note.endsWith('\n')) return undefined
  const text = note.slice(0, split + 1)
  const signed = note
    .slice(split + 2, -1)
    .split('\n')
    .some((line) => {
      const [mark, name, encoded, more] = line.split(' ')
      const bytes = Buffer.from(encoded ?? '', 'base64')
      return (
        mark === dash &&
        name === key.name &&
        more === undefined &&
        bytes.toString('base64') === encoded &&
        bytes.length === 68 &&
        bytes.subarray(0, 4).equals(key.id) &&
        verify(undefined, Buffer.from(text), key.key, bytes.subarray(4))
      )
    })
  return signed ? text : undefined
}

function parseVerifier(
  text: string,
): { readonly name: string; readonly id: Buffer; readonly key: KeyObject } | undefined {
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text)
  const bytes = Buffer.from(match?.[3] ?? '', 'base64')
  if (match === null || bytes.length !== 33 || bytes[0] !== ed25519) return undefined
  const name = match[1] as string
  const raw = bytes.subarray(1)
  const id = keyId(name, raw)
  if (id.toString('hex') !== match[2]) return undefined
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') }
  return { name, id, key: createPublicKey({ key: jwk, format: 'jwk' }) }
}

function rawPublicKey(key: KeyObject): Buffer {
  return Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url')
}

function keyId(name: string, publicKey: Buffer): Buffer {
  const covered = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(ed25519), publicKey])
  return hash('sha256', covered, 'buffer').subarray(0, 4)
}
