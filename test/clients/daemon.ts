import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findProgram } from '../requirements.ts'

/** A daemon of a client, whose whole state is in one folder. */
export interface Daemon {
  /** Path of the socket on which it listens. */
  readonly socket: string
  stop(): Promise<void>
}

/** For `test({ skip })`: why this daemon cannot run here, or false. */
export function noRoot(name: string): string | false {
  return process.getuid?.() === 0 ? false : `${name} needs root`
}

export async function startContainerd(folder: string): Promise<Daemon> {
  const socket = join(folder, 'containerd.sock')
  const state = join(folder, 'containerd')
  mkdirSync(state)
  const config = join(state, 'config.toml')
  writeFileSync(
    config,
    `version = 2\nroot = "${state}/root"\nstate = "${state}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "${socket}"\n`,
  )
  return start('containerd', ['--config', config], socket)
}

/** Docker's daemon, with a containerd of its own, without any network of containers. */
export async function startDockerd(
  folder: string,
  options: { readonly within?: readonly string[]; readonly config?: object } = {},
): Promise<Daemon> {
  const socket = join(folder, 'docker.sock')
  const state = join(folder, 'docker')
  mkdirSync(state)
  const config = join(state, 'daemon.json')
  writeFileSync(config, JSON.stringify(options.config ?? {}))
  return start(
    'dockerd',
    [
      `--config-file=${config}`,
      `--data-root=${state}/data`,
      `--exec-root=${state}/exec`,
      `--pidfile=${state}/pid`,
      `--host=unix://${socket}`,
      '--storage-driver=vfs',
      '--iptables=false',
      '--ip6tables=false',
      '--ip-forward=false',
      '--bridge=none',
    ],
    socket,
    options.within,
  )
}

/** `within`: a command that runs its arguments in another namespace. */
async function start(
  name: string,
  args: readonly string[],
  socket: string,
  within: readonly string[] = [],
): Promise<Daemon> {
  const [command = '', ...rest] = [...within, findProgram(name) ?? '', ...args]
  const child = spawn(command, rest, { stdio: ['ignore', 'ignore', 'pipe'] })
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-5000)
  })
  const exited = once(child, 'close')
  for (let attempt = 0; !existsSync(socket); attempt++) {
    if (child.exitCode !== null || attempt === 300) {
      child.kill()
      await exited
      throw new Error(`${name} did not start:\n${output}`)
    }
    await sleep(100)
  }
  return {
    socket,
    async stop() {
      child.kill()
      await exited
    },
  }
}
