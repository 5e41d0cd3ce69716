import { k0sFolder } from './k0s.ts'
import type { MachineFacts } from './node-trust.ts'

/**
 * Returns every folder in which trow may have written a folder for a registry host: the runtime's current one
 * and the usual ones.
 */
export function hostFolders({ folder, runtime }: MachineFacts): string[] {
  const own = folder === undefined || runtime.name === 'cri-o' ? [] : [folder]
  return [...new Set([...own, '/etc/containerd/certs.d', '/etc/docker/certs.d', k0sFolder])]
}
