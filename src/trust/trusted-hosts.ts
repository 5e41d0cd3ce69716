import { basename, dirname, join } from 'node:path/posix'
import { crioHosts } from './crio.ts'
import { hostFolders } from './host-folders.ts'
import { MachineFiles } from './machine-files.ts'
import type { MachineOptions, MachineFacts } from './node-trust.ts'
import { isOwn } from './ownership.ts'

/** Returns the hosts, as image references write them, for which trow's files exist on a machine. */
export async function trustedHosts(options: MachineOptions, facts: MachineFacts): Promise<string[]> {
  return findTrustedHosts(new MachineFiles(options.hostRoot), facts)
}

export async function findTrustedHosts(files: MachineFiles, facts: MachineFacts): Promise<string[]> {
  const found = new Set<string>(await crioHosts(files))
  for (const folder of hostFolders(facts)) {
    for (const path of await files.glob(join(folder, '*', '*'))) {
      if (!['hosts.toml', 'ca.crt'].includes(basename(path))) continue
      if (isOwn((await files.read(path)) ?? '')) found.add(basename(dirname(path)).replace(/_(\d+)_$/, ':$1'))
    }
  }
  return [...found].sort()
}
