import { join } from 'node:path/posix'
import type { MachineFiles } from './machine-files.ts'
import { isContained, processesOf, unitOfProcess } from './running-programs.ts'
import { machineProgram } from './machine-program.ts'
import type { MachineOptions } from './node-trust.ts'

/** The program that pulls images on a machine. */
export interface Runtime {
  readonly name: 'containerd' | 'cri-o' | 'docker' | 'unknown'
  /** Empty if it could not be found out. */
  readonly version: string
  /** containerd's configuration file, if its command line names one. */
  readonly config?: string
}

const programs = { containerd: 'containerd', crio: 'cri-o', dockerd: 'docker' } as const
type Program = keyof typeof programs

/**
 * Reads the runtime from the Node object (`containerd://2.3.7`); without Kubernetes from the processes, then
 * from the machine's sockets and programs. dockerd runs its own containerd, whose CRI is usually disabled:
 * `usable` decides whether that containerd counts.
 */
export async function findRuntime(
  files: MachineFiles,
  node: MachineOptions['node'],
  usable: (containerd: Runtime) => Promise<boolean>,
): Promise<Runtime> {
  const running = await runningPrograms(files)
  if (node !== undefined) {
    const [name = '', version = ''] = node.containerRuntimeVersion.split('://')
    const config = running.get('containerd')?.config
    if (name === 'containerd') return { name, version, ...(config === undefined ? {} : { config }) }
    if (name === 'cri-o' || name === 'docker') return { name, version }
    return { name: 'unknown', version }
  }
  const candidates = running.size > 0 ? running : await installedPrograms(files)
  for (const program of ['crio', 'containerd', 'dockerd'] as const) {
    const found = candidates.get(program)
    if (found === undefined) continue
    const runtime = {
      name: programs[program],
      version: await versionOf(files, program, found.path),
      ...(found.config === undefined ? {} : { config: found.config }),
    }
    if (program !== 'containerd' || !candidates.has('dockerd') || (await usable(runtime))) return runtime
  }
  return { name: 'unknown', version: '' }
}

/** Returns the systemd unit in which a program runs. */
export async function unitOf(files: MachineFiles, program: Program): Promise<string> {
  const pid = (await runningPrograms(files)).get(program)?.pid
  return (pid === undefined ? undefined : await unitOfProcess(files, pid)) ?? `${program}.service`
}

interface FoundProgram {
  readonly path?: string
  readonly pid?: string
  readonly config?: string
}

async function runningPrograms(files: MachineFiles): Promise<Map<Program, FoundProgram>> {
  const found = new Map<Program, FoundProgram>()
  for (const { pid, args } of await processesOf(files, isProgram)) {
    const program = args[0]?.split('/').at(-1) ?? ''
    if (!isProgram(program) || found.has(program) || (await isContained(files, pid))) continue
    const path = await files.linkTarget(`/proc/${pid}/exe`)
    const config = program === 'containerd' ? configArgument(args) : undefined
    found.set(program, {
      pid,
      ...(path === undefined ? {} : { path }),
      ...(config === undefined ? {} : { config }),
    })
  }
  return found
}

function configArgument(args: readonly string[]): string | undefined {
  const at = args.findIndex((each) => /^(-c|--?config)(=|$)/.test(each))
  const value = at < 0 ? undefined : args[at]?.includes('=') ? args[at].replace(/^[^=]*=/, '') : args[at + 1]
  return value?.startsWith('/') === true ? value : undefined
}

async function installedPrograms(files: MachineFiles): Promise<Map<Program, FoundProgram>> {
  const found = new Map<Program, FoundProgram>()
  for (const program of Object.keys(programs) as Program[]) {
    const folders = ['/usr/local/bin', '/usr/local/sbin', '/usr/bin', '/usr/sbin', '/bin', '/opt/bin']
    const path = await files.first(folders.map((folder) => join(folder, program)))
    if (path !== undefined) found.set(program, { path })
  }
  return found
}

/** Returns the version that `--version` prints; empty if the program cannot be run. */
async function versionOf(files: MachineFiles, program: Program, path: string | undefined): Promise<string> {
  const [file, ...args] = await machineProgram(files, path ?? program, ['--version'])
  // Loaded only when a program is run: the agent gets the runtime from the Node object, and saves the memory
  // of this module.
  const { execa } = await import('execa')
  const { stdout, failed } = await execa(file, args, { reject: false, timeout: 10_000, stdin: 'ignore' })
  if (failed) return ''
  // Examples: `containerd github.com/containerd/containerd/v2 v2.3.7 …`, `crio version 1.30.2`, `Docker
  // version 26.1.5+dfsg1, build …`.
  return /(?:^|\s)v?(\d+\.\d+[^\s,]*)/.exec(stdout)?.[1] ?? ''
}

function isProgram(name: string): name is Program {
  return Object.hasOwn(programs, name)
}
