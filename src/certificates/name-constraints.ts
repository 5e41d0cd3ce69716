import { isIPv4, isIPv6 } from 'node:net'

/** The OID of the extension (id-ce 30). */
export const nameConstraintsOid = '2.5.29.30'

/**
 * Encodes NameConstraints in DER with permitted subtrees only (RFC 5280, 4.2.1.10): DNS names, which include
 * their subdomains, and address ranges as `address/bits`.
 */
export function encodeNameConstraints(dnsNames: readonly string[], ranges: readonly string[]): Uint8Array {
  const names = dnsNames.map((name) => tagged(0x82, Buffer.from(name, 'ascii')))
  const addresses = ranges.map((range) => tagged(0x87, addressAndMask(range)))
  const subtrees = [...names, ...addresses].map((base) => tagged(0x30, base))
  return tagged(0x30, tagged(0xa0, Buffer.concat(subtrees)))
}

function tagged(tag: number, content: Uint8Array): Buffer {
  const { byteLength: length } = content
  const head =
    length < 128
      ? [tag, length]
      : length < 256
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), content])
}

function addressAndMask(range: string): Buffer {
  const [address = '', bits = ''] = range.split('/')
  const bytes = addressBytes(address)
  const mask = bytes.map((_, index) => {
    const left = Math.min(8, Math.max(0, Number(bits) - index * 8))
    return (0xff << (8 - left)) & 0xff
  })
  return Buffer.concat([bytes, mask])
}

/** Returns 4 or 16 bytes. Throws TypeError if it is no address. */
export function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  if (!isIPv6(address)) throw new TypeError(`no address: ${address}`)
  const [head = '', tail] = address.split('::')
  const groups = (part: string | undefined): string[] =>
    part === undefined || part === '' ? [] : part.split(':')
  const [first, last] = [groups(head), groups(tail)]
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length
  const all = [...first, ...Array.from<string>({ length: zeros }).fill('0'), ...last]
  return Buffer.from(all.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]))
}

/**
 * The reverse of `encodeNameConstraints`; other kinds of names are skipped. Throws RangeError if the DER is
 * invalid.
 */
export function decodeNameConstraints(der: Uint8Array): {
  readonly dnsNames: string[]
  readonly ranges: string[]
} {
  const [sequence] = elements(Buffer.from(der))
  const permitted = elements(sequence?.content ?? Buffer.alloc(0)).find(({ tag }) => tag === 0xa0)
  const bases = elements(permitted?.content ?? Buffer.alloc(0)).flatMap(({ content }) =>
    elements(content).slice(0, 1),
  )
  const of = (wanted: number): Buffer[] =>
    bases.filter(({ tag }) => tag === wanted).map(({ content }) => content)
  return {
    dnsNames: of(0x82).map((name) => name.toString('ascii')),
    ranges: of(0x87).map(rangeText),
  }
}

/** Returns the DER elements in their order. Throws RangeError if a length does not fit. */
export function elements(der: Buffer): { readonly tag: number; readonly content: Buffer }[] {
  const found: { tag: number; content: Buffer }[] = []
  for (let at = 0; at < der.length;) {
    const tag = der.readUInt8(at++)
    let length = der.readUInt8(at++)
    if (length > 0x80) {
      const bytes = length & 0x7f
      length = der.readUIntBE(at, bytes)
      at += bytes
    }
    if (at + length > der.length) throw new RangeError('it ends within an element')
    found.push({ tag, content: der.subarray(at, at + length) })
    at += length
  }
  return found
}

function rangeText(content: Buffer): string {
  const half = content.length / 2
  const [address, mask] = [content.subarray(0, half), content.subarray(half)]
  const bits = [...mask].reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
  if (half === 4) return `${[...address].join('.')}/${bits}`
  const groups = Array.from({ length: half / 2 }, (_, index) => address.readUInt16BE(index * 2).toString(16))
  return `${groups.join(':')}/${bits}`
}
