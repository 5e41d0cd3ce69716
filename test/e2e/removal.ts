import { execFileSync } from 'node:child_process'
import {
  existsSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  rmdirSync,
  statSync,
  type Dirent,
} from 'node:fs'
import { join } from 'node:path'
import {
  cgroupPattern,
  cgroupRoot,
  clusterFolder,
  namespaceFolder,
  namespacePattern,
  othersHaveClusters,
  sharedCluster,
} from './place.ts'

// All functions are synchronous, so that they also run while a process exits. They keep no state: everything with a name
// of the cluster is removed, whichever run has left it.

/** Ends a cluster in any state. Throws when something is left. */
export function removeCluster(): void {
  const end = Date.now() + 15_000
  for (;;) {
    for (const pid of processes()) tryTo(() => process.kill(pid, 'SIGKILL'))
    if (processes().length === 0 || Date.now() > end) break
    pause(50)
  }
  for (const path of mounts().reverse()) tryTo(() => run('umount', '--lazy', path))
  for (const name of namespaces()) tryTo(() => run('ip', 'netns', 'delete', name))
  while (controlGroups().length > 0 && Date.now() < end) {
    for (const path of controlGroups()) removeEmptyTree(path)
    pause(20)
  }
  // A recursive removal must not follow a mount.
  if (mounts().length === 0) removeFolders()
  const left = leftovers()
  if (left.length > 0) throw new Error(`of the cluster there remain ${left.join(', ')}`)
}

/** Describes what is left of a cluster on this machine. */
export function leftovers(): string[] {
  return [
    ...processes().map((pid) => `process ${pid} (${tryTo(() => read(`/proc/${pid}/comm`).trim())})`),
    ...mounts().map((path) => `mount ${path}`),
    ...namespaces().map((name) => `network namespace ${name}`),
    ...controlGroups().map((path) => `control group ${path}`),
    ...(existsSync(clusterFolder) ? [`folder ${clusterFolder}`] : []),
  ]
}

/**
 * Finds the processes in a node's namespaces, and in its control groups, since pods have namespaces of their own. Also finds
 * test files that outlive a killed run, because they would use the cluster of the next run.
 */
function processes(): number[] {
  const inodes = [
    ...namespaces().map((name) => join(namespaceFolder, name)),
    ...list(clusterFolder).map(({ name }) => join(clusterFolder, name, 'mounts')),
  ].flatMap((path) => tryTo(() => String(statSync(path).ino)) ?? [])
  return list('/proc')
    .map(({ name }) => Number(name))
    .filter((pid) => pid > 0 && pid !== process.pid)
    .filter((pid) => {
      const links = ['net', 'mnt'].map((kind) => tryTo(() => readlinkSync(`/proc/${pid}/ns/${kind}`)))
      // A zombie process has no namespaces.
      if (links.includes(undefined)) return false
      if (links.some((link) => inodes.includes(/\d+/.exec(link ?? '')?.[0] ?? ''))) return true
      if (cgroupPattern.test(tryTo(() => read(`/proc/${pid}/cgroup`)) ?? '')) return true
      const environment = (tryTo(() => read(`/proc/${pid}/environ`)) ?? '').split('\0')
      const shares = environment.includes(`${sharedCluster}=${clusterFolder}`)
      return shares && environment.some((line) => line.startsWith('NODE_TEST_CONTEXT='))
    })
}

/** Outermost first. */
function mounts(): string[] {
  return read('/proc/self/mountinfo')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path === clusterFolder || path.startsWith(`${clusterFolder}/`))
}

function namespaces(): string[] {
  return list(namespaceFolder)
    .map(({ name }) => name)
    .filter((name) => namespacePattern.test(name))
}

function controlGroups(): string[] {
  return [cgroupRoot, ...list(cgroupRoot).map(({ name }) => join(cgroupRoot, name))].flatMap((hierarchy) =>
    list(hierarchy)
      .filter((entry) => entry.isDirectory() && namespacePattern.test(entry.name))
      .map((entry) => join(hierarchy, entry.name)),
  )
}

function removeEmptyTree(path: string): void {
  for (const entry of list(path)) if (entry.isDirectory()) removeEmptyTree(join(path, entry.name))
  tryTo(() => rmdirSync(path))
}

function removeFolders(): void {
  const made = tryTo(() => read(join(clusterFolder, 'made-folders'))) ?? ''
  // The record names the topmost folder that was created for a path. The folders below it are empty.
  if (!othersHaveClusters())
    for (const path of made.split('\n').filter((line) => line !== '')) removeEmptyTree(path)
  rmSync(clusterFolder, { recursive: true, force: true })
}

function list(folder: string): Dirent[] {
  return tryTo(() => readdirSync(folder, { withFileTypes: true })) ?? []
}

function read(path: string): string {
  return readFileSync(path, 'utf8')
}

function run(command: string, ...args: readonly string[]): void {
  execFileSync(command, args, { stdio: 'ignore' })
}

function tryTo<T>(action: () => T): T | undefined {
  try {
    return action()
  } catch {
    return undefined
  }
}

function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}
