import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

// Everything of a cluster bears these names, so that the next run finds what a killed one has left.

/** The one cluster of this machine: state, logs, images. */
export const clusterFolder = '/var/tmp/trow-test-cluster'
/** Set for the test files of a run that share its cluster; trow itself refuses settings TROW_… that it does not know. */
export const sharedCluster = 'TEST_CLUSTER'
/** Network namespaces and control groups of the nodes. */
export const namespacePattern = /^trow-n\d+$/
export const namespaceFolder = '/run/netns'
export const cgroupRoot = '/sys/fs/cgroup'

/** Folders at their usual paths of which every node sees one of its own. */
export const privateFolders: Readonly<Record<string, string>> = {
  '/etc/containerd': 'etc-containerd',
  '/run/containerd': 'run-containerd',
  '/run/netns': 'run-netns',
  '/var/lib/cni': 'cni',
  '/var/lib/kubelet': 'kubelet',
  '/var/log/pods': 'log-pods',
  '/var/log/containers': 'log-containers',
}

/** Makes and returns a folder below the cluster's, which must be there: nobody but its start brings a cluster about. */
export function subfolder(...names: readonly string[]): string {
  const path = join(clusterFolder, ...names)
  if (existsSync(clusterFolder)) mkdirSync(path, { recursive: true })
  return path
}
