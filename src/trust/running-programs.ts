import { stat } from 'node:fs/promises'
import { join } from 'node:path/posix'
import type { MachineFiles } from './machine-files.ts'

/** A process of a machine, as its /proc has it. */
export interface MachineProcess {
  readonly pid: string
  /** Command line; the first is the program as it was called. */
  readonly args: readonly string[]
}

/** The processes whose program has one of these names (the last part of its path). */
export async function processesOf(
  files: MachineFiles,
  isWanted: (program: string) => boolean,
): Promise<MachineProcess[]> {
  const found: MachineProcess[] = []
  for (const pid of await files.list('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    // A process may end while it is looked at.
    const args = (await files.read(`/proc/${pid}/cmdline`).catch(() => undefined))?.split('\0') ?? []
    if (isWanted(args[0]?.split('/').at(-1) ?? '')) found.push({ pid, args })
  }
  return found
}

/** Whether a process has a root of its own: the runtime of a node that is itself a container, as with kind. */
export async function isContained(files: MachineFiles, pid: string): Promise<boolean> {
  const [own, machine] = [
    await files.linkTarget(`/proc/${pid}/ns/mnt`),
    await files.linkTarget('/proc/1/ns/mnt'),
  ]
  return own !== undefined && machine !== undefined && own !== machine
}

/** Whether a process sees a folder that the machine has as this process does; undefined: it may not be asked. */
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
 * Whether a process is in the network of this one, as all that is a machine's own; undefined: that cannot be seen. Unlike a
 * process's root its network needs no rights over it: files of one network have one inode number, wherever they are mounted.
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

/** The unit of systemd that a process runs in. */
export async function unitOfProcess(files: MachineFiles, pid: string): Promise<string | undefined> {
  const groups = await files.read(`/proc/${pid}/cgroup`).catch(() => undefined)
  return /\/([^/\s]+\.service)$/m.exec(groups ?? '')?.[1]
}

/** When a process was started, in clock ticks since the machine's start (proc_pid_stat(5), field 22). */
export async function startOfProcess(files: MachineFiles, pid: string): Promise<number | undefined> {
  const text = await files.read(`/proc/${pid}/stat`).catch(() => undefined)
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  const start = Number(fields?.[19])
  return Number.isSafeInteger(start) && start >= 0 && fields !== undefined && fields.length > 19
    ? start
    : undefined
}

/** The value of an option of a command line, the last one given: `--name value` or `--name=value`. */
export function optionOf(args: readonly string[], name: string): string | undefined {
  let value: string | undefined
  args.forEach((arg, index) => {
    if (arg === `--${name}` || arg === `-${name}`) value = args[index + 1]
    else if (arg.startsWith(`--${name}=`) || arg.startsWith(`-${name}=`))
      value = arg.slice(arg.indexOf('=') + 1)
  })
  return value
}
