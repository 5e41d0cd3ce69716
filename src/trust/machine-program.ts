import { join } from 'node:path/posix'
import type { MachineFiles } from './machine-files.ts'

/**
 * Returns the program and arguments with which this process runs a program of the machine inside the
 * machine's own root.
 */
export async function machineProgram(
  files: MachineFiles,
  path: string,
  args: readonly string[],
): Promise<readonly [string, ...string[]]> {
  if (files.root === '/') return [path, ...args]
  const loader = await findLoader(files)
  const chroot =
    (await files.first(['/usr/sbin/chroot', '/usr/bin/chroot', '/sbin/chroot', '/bin/chroot'])) ?? 'chroot'
  const inside = [files.root, path, ...args]
  // trow's own image has no chroot: the machine's chroot is run with the machine's own loader and libraries.
  if (loader === undefined || chroot === 'chroot') return [chroot, ...inside]
  const folders = await libraryFolders(files)
  return [loader, '--library-path', folders.join(':'), await files.locate(chroot), ...inside]
}

/** Returns the path of glibc's or musl's dynamic loader for this process. */
async function findLoader(files: MachineFiles): Promise<string | undefined> {
  for (const folder of ['/lib64', '/lib', '/usr/lib64', '/usr/lib']) {
    const name = (await files.list(folder)).find((each) => /^ld-(linux|musl)-.*\.so\.\d+$/.test(each))
    if (name !== undefined) return files.locate(join(folder, name))
  }
  return undefined
}

async function libraryFolders(files: MachineFiles): Promise<string[]> {
  const found = new Set<string>()
  for (const pattern of [
    '/lib64',
    '/usr/lib64',
    '/lib/*-linux-gnu',
    '/usr/lib/*-linux-gnu',
    '/lib',
    '/usr/lib',
  ]) {
    for (const path of await files.glob(pattern)) found.add(await files.locate(path))
  }
  return [...found]
}
