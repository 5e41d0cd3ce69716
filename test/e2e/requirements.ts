import { installDebianPackages } from '../components.ts'
import { avoidable, goProblem, missing } from '../requirements.ts'
import { buildBinaries, missingBinaries } from '../support/cluster-binaries.ts'

/** Programs that the nodes need, with the Debian package of each. */
const packages: Readonly<Record<string, string>> = {
  runc: 'runc',
  portmap: 'containernetworking-plugins',
  iptables: 'iptables',
  ip: 'iproute2',
  busybox: 'busybox-static',
  nsenter: 'util-linux',
  mount: 'mount',
}

/** Programs of the users of the cluster. */
const tools: Readonly<Record<string, string>> = { tmux: 'tmux', docker: 'docker.io', dockerd: 'docker.io' }

export function installClusterComponents(log: (line: string) => void): void {
  installDebianPackages({ ...packages, ...tools }, log)
  if (goProblem() === undefined) buildBinaries(log)
}

/** Returns why this machine can run no cluster, or false. For `suite({ skip: clusterProblem() })`. */
export function clusterProblem(): string | false {
  if (process.platform !== 'linux') return 'the nodes of the cluster are Linux namespaces'
  if (process.getuid?.() !== 0) return 'only root makes the namespaces of a cluster'
  const programs = missing(...Object.keys(packages))
  if (programs !== false) return programs
  const binaries = missingBinaries()
  return binaries.length > 0 && `${binaries.join(', ')} not built: ${goProblem() ?? avoidable}`
}
