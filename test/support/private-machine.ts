import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findProgram } from '../requirements.ts'

const trow = fileURLToPath(new URL('../../bin/trow.js', import.meta.url))

export interface Ran {
  readonly code: number | null
  /** Both streams. */
  readonly output: string
}

/**
 * A network namespace with an address that is not loopback, and a mount namespace with an /etc of its own, which may be
 * changed at will. Both are gone when everything in them has ended.
 */
export interface PrivateMachine {
  readonly folder: string
  /** Its /etc, from outside. */
  readonly etc: string
  readonly address: string
  /** The command that starts another in it. */
  readonly within: readonly string[]
  run(program: string, args: readonly string[], env?: Readonly<Record<string, string>>, input?: string): Ran
  trow(args: readonly string[], env?: Readonly<Record<string, string>>): Ran
  close(): Promise<void>
}

/** For `suite({ skip })`: why there can be none here, or false. */
export function noPrivateMachine(): string | false {
  if (process.getuid?.() !== 0) return 'namespaces need root'
  const absent = ['unshare', 'nsenter', 'ip'].filter((name) => findProgram(name) === undefined)
  if (absent.length > 0) return `${absent.join(', ')} not found`
  const { status } = spawnSync('unshare', ['--net', '--mount', 'ip', 'link', 'add', 'br0', 'type', 'bridge'])
  return status === 0 ? false : 'this machine lets nobody make namespaces and bridges'
}

/** `hosts`: lines for its /etc/hosts. */
export async function openPrivateMachine(
  hosts: (address: string) => readonly string[],
): Promise<PrivateMachine> {
  const folder = mkdtempSync(join(tmpdir(), 'trow-machine-'))
  const address = '172.31.77.1'
  const etc = join(folder, 'etc')
  cpSync('/etc', etc, { recursive: true, verbatimSymlinks: true })
  appendFileSync(join(etc, 'hosts'), `\n${hosts(address).join('\n')}\n`)
  const home = join(folder, 'home')
  mkdirSync(home)
  const script = `
    ip link set lo up
    ip link add br0 type bridge
    ip addr add ${address}/24 dev br0
    ip link set br0 up
    mount --bind "${etc}" /etc
    echo ready
    exec sleep infinity`
  const holder = spawn('unshare', ['--net', '--mount', '--propagation', 'private', 'sh', '-ec', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(holder, 'close')
  const ready = await Promise.race([once(holder.stdout, 'data').then(() => true), ended.then(() => false)])
  if (!ready) throw new Error('the namespaces could not be made')
  const within = ['nsenter', '-t', String(holder.pid), '--net', '--mount', '--']
  const base = { PATH: process.env['PATH'] ?? '', HOME: home, XDG_RUNTIME_DIR: home }
  const run: PrivateMachine['run'] = (program, args, env = {}, input = '') => {
    const [command = '', ...rest] = [...within, findProgram(program) ?? program, ...args]
    const { status, stdout, stderr, error } = spawnSync(command, rest, {
      encoding: 'utf8',
      env: { ...base, ...env },
      input,
      cwd: folder,
      timeout: 180_000,
    })
    return { code: status, output: `${stdout}${stderr}${error?.message ?? ''}` }
  }
  return {
    folder,
    etc,
    address,
    within,
    run,
    trow: (args, env) => run(process.execPath, [trow, ...args], env),
    async close() {
      holder.kill()
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Every path below a folder with what it is: contents and links, empty folders too. */
export function treeOf(folder: string): Readonly<Record<string, string>> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return Object.fromEntries(
    entries
      .map((entry): [string, string] => {
        const path = join(entry.parentPath, entry.name)
        if (entry.isDirectory()) return [path, 'folder']
        if (entry.isSymbolicLink()) return [path, `link ${readlinkSync(path)}`]
        return [path, entry.isFile() ? readFileSync(path, 'base64') : 'other']
      })
      .sort(([one], [other]) => (one < other ? -1 : 1)),
  )
}
