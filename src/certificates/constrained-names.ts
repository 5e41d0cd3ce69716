import { isIP } from 'node:net'
import { addressBytes, elements } from './name-constraints.ts'

/** The DNS names and addresses for which any CA may sign; other kinds of names are left out. */
export interface ConstrainedNames {
  readonly permitted: Subtrees
  readonly excluded: Subtrees
}

interface Subtrees {
  readonly names: readonly string[]
  readonly ranges: readonly AddressRange[]
}

/** Address and mask have 4 or 16 bytes. */
interface AddressRange {
  readonly address: Uint8Array
  readonly mask: Uint8Array
}

/** The OID 2.5.29.30 in DER, as hexadecimal digits. */
const encodedOid = '551d1e'

/**
 * Reads the name constraints of a certificate in DER (RFC 5280, 4.1 and 4.2.1.10); `undefined` if it has
 * none. Throws RangeError if it cannot be parsed.
 */
export function readConstraints(certificate: Uint8Array): ConstrainedNames | undefined {
  const [whole] = elements(Buffer.from(certificate))
  const [toBeSigned] = elements(whole?.content ?? Buffer.alloc(0))
  const explicit = inside(toBeSigned?.content).find(({ tag }) => tag === 0xa3)
  const extensions = inside(inside(explicit?.content)[0]?.content)
  for (const { content } of extensions) {
    const [name, ...rest] = elements(content)
    if (name?.content.toString('hex') === encodedOid) return parseConstraints(rest.at(-1)?.content)
  }
  return undefined
}

/** Parses the value of the extension. Throws RangeError. */
export function parseConstraints(der: Uint8Array = new Uint8Array()): ConstrainedNames {
  const [sequence, ...more] = elements(Buffer.from(der))
  if (sequence?.tag !== 0x30 || more.length > 0) throw new RangeError('this is no sequence')
  const lists = elements(sequence.content)
  const subtrees = (wanted: number): Subtrees => {
    const bases = inside(lists.find(({ tag }) => tag === wanted)?.content).flatMap(({ content }) =>
      elements(content).slice(0, 1),
    )
    return {
      names: bases.filter(({ tag }) => tag === 0x82).map(({ content }) => content.toString('latin1')),
      ranges: bases.filter(({ tag }) => tag === 0x87).map(({ content }) => rangeOf(content)),
    }
  }
  return { permitted: subtrees(0xa0), excluded: subtrees(0xa1) }
}

/**
 * Returns whether a CA may sign for a name or an address. If it lists no permitted name of that kind, all of
 * that kind are permitted.
 */
export function permits({ permitted, excluded }: ConstrainedNames, host: string): boolean {
  if (isIP(host) !== 0) {
    const bytes = addressBytes(host)
    const within = (range: AddressRange): boolean => isWithin(bytes, range)
    return (permitted.ranges.length === 0 || permitted.ranges.some(within)) && !excluded.ranges.some(within)
  }
  const below = (name: string): boolean => isBelow(host.toLowerCase(), name.toLowerCase().replace(/^\./, ''))
  return (permitted.names.length === 0 || permitted.names.some(below)) && !excluded.names.some(below)
}

function inside(content: Buffer | undefined): ReturnType<typeof elements> {
  return content === undefined ? [] : elements(content)
}

function rangeOf(content: Buffer): AddressRange {
  if (content.length !== 8 && content.length !== 32) throw new RangeError('this is no range of addresses')
  const half = content.length / 2
  return { address: content.subarray(0, half), mask: content.subarray(half) }
}

function isBelow(host: string, name: string): boolean {
  return name === '' || host === name || host.endsWith(`.${name}`)
}

function isWithin(bytes: Uint8Array, { address, mask }: AddressRange): boolean {
  return (
    bytes.length === address.length &&
    bytes.every((byte, index) => ((byte ^ (address[index] ?? 0)) & (mask[index] ?? 0)) === 0)
  )
}
