import { stat } from 'node:fs/promises'
import { join } from 'node:path/posix'
import type { MachineFiles } from './machine-files.ts'

/** A process of a machine, as its /proc shows it. */
export interface MachineProcess {
  readonly pid: string
  /** The command line. The first argument is the program as it was called. */
  readonly args: readonly string[]
}

/** Returns the processes whose program has a wanted name (the last part of its path). */
export async function processesOf(
  files: MachineFiles,
  isWanted: (program: string) => boolean,
): Promise<MachineProcess[]> {
  const found: MachineProcess[] = []
  for (const pid of await files.list('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    // A process may end while it is read.
    const args = (await files.read(`/proc/${pid}/cmdline`).catch(() => undefined))?.split('\0') ?? []
    if (isWanted(args[0]?.split('/').at(-1) ?? '')) found.push({ pid, args })
  }
  return found
}

/**
 * Returns whether a process has its own root: the runtime of a node that is itself a container, as with kind.
 */
export async function isContained(files: MachineFiles, pid: string): Promise<boolean> {
  const [own, machine] = [
    await files.linkTarget(`/proc/${pid}/ns/mnt`),
    await files.linkTarget('/proc/1/ns/mnt'),
  ]
  return own !== undefined && machine !== undefined && own !== machine
}

/**
 * Returns whether a process sees a folder of the machine as this process does; `undefined` if there is no
 * right to read that.
 */
export async function seesSame(
  files: MachineFiles,
  pid: string,
  folder: string,
): Promise<boolean | undefined> {
  try {
    const ours = await stat(await files.locate(folder))
    const theirs = await stat(join(files.root, 'proc', pid, 'root', folder))
    return theirs.dev === ours.dev && theirs.ino === ours.ino
  } catch {
    return undefined
  }
}

/**
 * Returns whether a process is in the network namespace of this process, as all of a machine's own programs
 * are; `undefined` if that cannot be read. Unlike a process's root, its network can be compared without
 * rights over the process: files of one network namespace have one inode number, wherever they are mounted.
 */
export async function sharesNetwork(files: MachineFiles, pid: string): Promise<boolean | undefined> {
  try {
    const ours = await stat('/proc/self/net/dev')
    const theirs = await stat(join(files.root, 'proc', pid, 'net/dev'))
    return theirs.ino === ours.ino
  } catch {
    return undefined
  }
}

/** Returns the systemd unit in which a process runs. */
export async function unitOfProcess(files: MachineFiles, pid: string): Promise<string | undefined> {
  const groups = await files.read(`/proc/${pid}/cgroup`).catch(() => undefined)
  return /\/([^/\s]+\.service)$/m.exec(groups ?? '')?.[1]
}

/** Returns when a process started, in clock ticks since boot (proc_pid_stat(5), field 22). */
export async function startOfProcess(files: MachineFiles, pid: string): Promise<number | undefined> {
  const text = await files.read(`/proc/${pid}/stat`).catch(() => undefined)
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  const start = Number(fields?.[19])
  return Number.isSafeInteger(start) && start >= 0 && fields !== undefined && fields.length > 19
    ? start
    : undefined
}

/** Returns the last value of an option on a command line, given as `--name value` or `--name=value`. */
export function optionOf(args: readonly string[], name: string): string | undefined {
  let value: string | undefined
  args.forEach((arg, index) => {
    if (arg === `--${name}` || arg === `-${name}`) value = args[index + 1]
    else if (arg.startsWith(`--${name}=`) || arg.startsWith(`-${name}=`))
      value = arg.slice(arg.indexOf('=') + 1)
  })
  return value
}
