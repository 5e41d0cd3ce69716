import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** TCP connections that a process of this machine has to a port, over IPv4. */
export function connectionsTo(pid: number, port: number): number {
  const own = new Set<string>()
  for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
    const inode = /^socket:\[(\d+)\]$/.exec(targetOf(`/proc/${pid}/fd/${descriptor}`))?.[1]
    if (inode !== undefined) own.add(inode)
  }
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const established = '01'
  return readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , remote, state, , , , , , inode]) => {
      return state === established && remote?.endsWith(wanted) === true && own.has(inode ?? '')
    }).length
}

/** A descriptor may be closed meanwhile. */
function targetOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
