import { connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { MachineFiles } from './machine-files.ts'
import { machineProgram } from './machine-program.ts'

const systemctl = ['/usr/bin/systemctl', '/bin/systemctl']

/** Restarts or reloads a systemd unit of the machine. Returns why it failed; `undefined` if it succeeded. */
export async function manageUnit(
  files: MachineFiles,
  verb: 'restart' | 'reload',
  unit: string,
): Promise<string | undefined> {
  const path = await files.first(systemctl)
  if (path === undefined) return 'the machine has no systemctl'
  const [file, ...args] = await machineProgram(files, path, [verb, unit])
  // In a chroot systemctl does nothing unless this variable is set.
  const env = { SYSTEMD_IGNORE_CHROOT: '1' }
  const { execa } = await import('execa')
  const {
    failed,
    stderr,
    shortMessage = '',
  } = await execa(file, args, {
    reject: false,
    env,
    timeout: 120_000,
    stdin: 'ignore',
  })
  return failed ? (stderr.trim().split('\n').at(-1) ?? '') || shortMessage : undefined
}

export async function hasSystemd(files: MachineFiles): Promise<boolean> {
  return (await files.first(systemctl)) !== undefined
}

/** Waits until a socket accepts connections. Returns false after `patience` milliseconds. */
export async function answers(socket: string, patience: number): Promise<boolean> {
  for (let left = patience; left > 0; left -= 250) {
    if (await accepts(socket)) return true
    await wait(250)
  }
  return false
}

async function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
