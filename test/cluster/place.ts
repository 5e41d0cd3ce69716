import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

// Everything of a cluster bears these names, so that the next run finds what a killed one has left.

/** The one cluster of this machine: state, logs, images. */
export const clusterFolder = '/var/tmp/trow-test-cluster'
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

/** Makes and returns a folder below the cluster's. */
export function subfolder(...names: readonly string[]): string {
  const path = join(clusterFolder, ...names)
  mkdirSync(path, { recursive: true })
  return path
}
