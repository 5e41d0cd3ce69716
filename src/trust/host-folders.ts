import { k0sFolder } from './k0s.ts'
import type { NodeFacts } from './node-trust.ts'

/** Every folder in which trow may have written a folder for a registry host: the runtime's own now, and the usual ones. */
export function hostFolders({ folder, runtime }: NodeFacts): string[] {
  const own = folder === undefined || runtime.name === 'cri-o' ? [] : [folder]
  return [...new Set([...own, '/etc/containerd/certs.d', '/etc/docker/certs.d', k0sFolder])]
}
