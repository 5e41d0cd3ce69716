import { installDebianPackages } from '../components.ts'
import { avoidable, goProblem, missing } from '../requirements.ts'
import { buildBinaries, missingBinaries } from '../support/cluster-binaries.ts'

/** What the nodes need of the machine: programs by the Debian package that brings them. */
const packages: Readonly<Record<string, string>> = {
  runc: 'runc',
  portmap: 'containernetworking-plugins',
  iptables: 'iptables',
  ip: 'iproute2',
  busybox: 'busybox-static',
  nsenter: 'util-linux',
  mount: 'mount',
}

export function installClusterComponents(say: (line: string) => void): void {
  installDebianPackages(packages, say)
  if (goProblem() === undefined) buildBinaries(say)
}

/** For `suite({ skip: clusterProblem() })`: false, or why this machine has no cluster. */
export function clusterProblem(): string | false {
  if (process.platform !== 'linux') return 'the nodes of the cluster are Linux namespaces'
  if (process.getuid?.() !== 0) return 'only root makes the namespaces of a cluster'
  const programs = missing(...Object.keys(packages))
  if (programs !== false) return programs
  const binaries = missingBinaries()
  return binaries.length > 0 && `${binaries.join(', ')} not built: ${goProblem() ?? avoidable}`
}
