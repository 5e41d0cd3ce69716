import { createHash } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { readFileSync } from 'node:fs'

/**
 * Shows every process of this user that a port is claimed. The kernel removes the mark when its process ends,
 * however it ends.
 */
export interface PortMark {
  release(): Promise<void>
}

/** Where a server listens, as the kernel names it. */
export interface PortAddress {
  readonly address: string
  readonly port: number
}

/**
 * Another user may occupy some of the places. A user who occupies all of them prevents the mark, but not a
 * start.
 */
const places = 32
const lowestPort = 1024

/**
 * Marks a port with a UDP socket on a loopback address and port derived from the claimed address. Like a
 * port, the mark belongs to the network namespace, and the kernel shows its owner (proc(5), /proc/net/udp). A
 * place is `taken` only if a process of the same user holds it: the kernel does not share a port between
 * users (SO_REUSEPORT, socket(7)), so no other user can keep a server from starting. Undefined when no mark
 * is possible: there is no loopback, or other users occupy every place.
 */
export async function markPort(address: string, port: number): Promise<PortMark | 'taken' | undefined> {
  const all = placesOf({ address, port })
  const user = process.geteuid?.()
  for (const [index, place] of all.entries()) {
    const socket = await bind(place)
    if (socket === undefined) {
      if (isHeld([place], user)) return 'taken'
      continue
    }
    // If another user has just left an earlier place, an older mark of ours may be in a later one.
    if (!isHeld(all.toSpliced(index, 1), user)) return { release: () => close(socket) }
    await close(socket)
    return 'taken'
  }
  return undefined
}

/** Whether a process of that user has marked the port. */
export function isMarked(place: PortAddress, user: number): boolean {
  return isHeld(placesOf(place), user)
}

/** One spelling for each IPv6 address. */
export function canonicalAddress(address: string): string {
  return address.includes(':')
    ? (URL.parse(`http://[${address}]`)?.hostname.slice(1, -1) ?? address)
    : address
}

function placesOf({ address, port }: PortAddress): readonly PortAddress[] {
  const key = `${canonicalAddress(address)} ${port}`
  return Array.from({ length: places }, (_, index) => placeOf(`${key} ${index}`))
}

function placeOf(key: string): PortAddress {
  const hash = createHash('sha256').update(`trow listens ${key}`).digest()
  // From 127.1.0.0 on: addresses that are not in common use.
  const address = `127.${1 + ((hash[0] as number) % 254)}.${hash[1]}.${1 + ((hash[2] as number) % 254)}`
  return { address, port: lowestPort + (hash.readUInt16BE(3) % (65536 - lowestPort)) }
}

async function bind({ address, port }: PortAddress): Promise<Socket | undefined> {
  const socket = createSocket({ type: 'udp4', reuseAddr: false })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind({ address, port, exclusive: true }, resolve)
    })
    // A connected socket accepts only its own datagrams, so other processes cannot keep this thread busy.
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.connect(port, address, () => resolve())
    })
  } catch {
    await close(socket)
    return undefined
  }
  socket.on('error', () => {})
  return socket.unref()
}

/** Whether a process of that user holds one of the places. */
function isHeld(wanted: readonly PortAddress[], user: number | undefined): boolean {
  let table: string
  try {
    table = readFileSync('/proc/net/udp', 'latin1')
  } catch {
    return false
  }
  const keys = new Set(wanted.map(({ address, port }) => tableKey(address, port)))
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .some((fields) => keys.has(fields[1] ?? '') && Number(fields[7]) === user)
}

/** The format of /proc/net/udp: the address is a number in this machine's byte order. */
function tableKey(address: string, port: number): string {
  const bytes = Uint8Array.from(address.split('.').map(Number))
  const [number = 0] = new Uint32Array(bytes.buffer)
  const hex = (value: number, digits: number): string =>
    value.toString(16).toUpperCase().padStart(digits, '0')
  return `${hex(number, 8)}:${hex(port, 4)}`
}

function close(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.close(() => resolve())
  })
}
