import { createHash } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { readFileSync } from 'node:fs'

/** Says to every process of this user that a port is theirs; goes with its process, whatever ends that. */
export interface PortMark {
  release(): Promise<void>
}

interface Place {
  readonly address: string
  readonly port: number
}

/** Another user may sit in some of the places; whoever sits in all of them makes the mark impossible, and no start. */
const places = 32
const lowestPort = 1024

/**
 * A UDP socket in a place of the loopback network that follows from the address: like a port it belongs to the network
 * namespace, and the kernel says whose it is (proc(5), /proc/net/udp). Only a place that a process of this very user holds
 * is `taken`: for another one the kernel does not share the port (SO_REUSEPORT, socket(7)), so no other user can keep a
 * server from starting. Undefined where there can be no mark: no loopback, or every place is occupied by somebody else.
 */
export async function markPort(address: string, port: number): Promise<PortMark | 'taken' | undefined> {
  const all = Array.from({ length: places }, (_, index) => placeOf(`${address} ${port} ${index}`))
  for (const [index, place] of all.entries()) {
    const socket = await bind(place)
    if (socket === undefined) {
      if (isOurs([place])) return 'taken'
      continue
    }
    // Where somebody else has just left an earlier place, an older mark stands in a later one.
    if (!isOurs(all.toSpliced(index, 1))) return { release: () => close(socket) }
    await close(socket)
    return 'taken'
  }
  return undefined
}

function placeOf(key: string): Place {
  const hash = createHash('sha256').update(`trow listens ${key}`).digest()
  // 127.1.0.0 and up: nobody's usual address.
  const address = `127.${1 + ((hash[0] as number) % 254)}.${hash[1]}.${1 + ((hash[2] as number) % 254)}`
  return { address, port: lowestPort + (hash.readUInt16BE(3) % (65536 - lowestPort)) }
}

async function bind({ address, port }: Place): Promise<Socket | undefined> {
  const socket = createSocket({ type: 'udp4', reuseAddr: false })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind({ address, port, exclusive: true }, resolve)
    })
    // Takes datagrams from itself alone: nobody keeps this thread busy with others.
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

/** Whether a process of this user holds one of the places. */
function isOurs(wanted: readonly Place[]): boolean {
  let table: string
  try {
    table = readFileSync('/proc/net/udp', 'latin1')
  } catch {
    return false
  }
  const user = process.geteuid?.()
  const keys = new Set(wanted.map(({ address, port }) => tableKey(address, port)))
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .some((fields) => keys.has(fields[1] ?? '') && Number(fields[7]) === user)
}

/** As the kernel prints it: the address as a number of this machine's byte order. */
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
