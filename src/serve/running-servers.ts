import { readFileSync } from 'node:fs'
import { canonicalAddress, isMarked, type PortAddress } from './port-mark.ts'

/** State 0A of proc(5), /proc/net/tcp. */
const listeningState = '0A'
const superuser = 0

/**
 * Returns where `trow serve` listens on this machine: ports that have a mark and a listener of the same user, who is
 * the user of this process or root. No other user can therefore put a server here, and a server that is gone leaves
 * nothing behind. Empty where the kernel has no such tables.
 */
export function runningServers(): readonly PortAddress[] {
  const users = new Set([process.geteuid?.() ?? superuser, superuser])
  const found = new Map<string, PortAddress>()
  for (const table of ['tcp', 'tcp6']) {
    for (const { user, ...place } of listenersOf(table)) {
      const key = `${place.address} ${place.port}`
      // Workers share a port: each of them has its line.
      if (!users.has(user) || found.has(key) || !isMarked(place, user)) continue
      found.set(key, place)
    }
  }
  return [...found.values()].sort((one, other) => one.port - other.port)
}

function listenersOf(table: string): readonly (PortAddress & { readonly user: number })[] {
  return linesOf(`/proc/net/${table}`).flatMap((line) => {
    const [, local = '', , state, , , , user] = line.trim().split(/\s+/)
    const [address = '', port = ''] = local.split(':')
    if (state !== listeningState) return []
    return [{ address: readableAddress(address), port: parseInt(port, 16), user: Number(user) }]
  })
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, 'latin1').split('\n').slice(1)
  } catch {
    return []
  }
}

/** The table has an address as words of 32 bits in this machine's byte order. */
function readableAddress(hex: string): string {
  const words = Uint32Array.from(hex.match(/.{8}/g) ?? [], (word) => parseInt(word, 16))
  const bytes = new Uint8Array(words.buffer)
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return canonicalAddress((groups.match(/.{4}/g) ?? []).join(':'))
}
