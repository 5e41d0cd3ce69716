import { existsSync, globSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

// Everything of a cluster bears these names, so that the next run finds what a killed one has left.

/** Set to a word of small letters, a run has a cluster beside those of others: `TEST_CLUSTER_NAME=mine npm run test:e2e`. */
const name = process.env['TEST_CLUSTER_NAME'] ?? ''
if (!/^[a-z]*$/.test(name)) throw new Error(`TEST_CLUSTER_NAME=${name}: small letters only`)
const suffix = name === '' ? '' : `-${name}`
const everyClusterFolder = '/var/tmp/trow-test-cluster'

/** The run's cluster: state, logs, images. */
export const clusterFolder = `${everyClusterFolder}${suffix}`
/** An abstract socket, which the kernel releases whatever ends the process. */
export const clusterLock = `\0trow-test-cluster${suffix}`
/** Set for the test files of a run that share its cluster; trow itself refuses settings TROW_… that it does not know. */
export const sharedCluster = 'TEST_CLUSTER'
/** Network namespaces and control groups of the nodes. */
export const namespacePrefix = `trow${suffix}-`
export const namespacePattern = new RegExp(`^${namespacePrefix}n\\d+$`)
/** A line of /proc/PID/cgroup. */
export const cgroupPattern = new RegExp(`:/${namespacePrefix}n\\d+(/|$)`, 'm')
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

/** Whether a cluster of another name uses the `privateFolders`: to remove one would unmount it there. */
export function othersHaveClusters(): boolean {
  return globSync(`${everyClusterFolder}*`).some((path) => path !== clusterFolder)
}
