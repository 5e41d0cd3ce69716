import { existsSync, globSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

// Everything of a cluster has these names, so that the next run finds what a killed run has left.

/** A word of lowercase letters gives a run a cluster of its own, beside others: `TEST_CLUSTER_NAME=mine npm run test:e2e`. */
const name = process.env['TEST_CLUSTER_NAME'] ?? ''
if (!/^[a-z]*$/.test(name)) throw new Error(`TEST_CLUSTER_NAME=${name}: small letters only`)
const suffix = name === '' ? '' : `-${name}`
const everyClusterFolder = '/var/tmp/trow-test-cluster'

/** Folder of the run's cluster: state, logs, images. */
export const clusterFolder = `${everyClusterFolder}${suffix}`
/** An abstract socket: the kernel releases it when the process ends in any way. */
export const clusterLock = `\0trow-test-cluster${suffix}`
/** Set for the test files that share the cluster of a run. The name does not begin with TROW_, since trow refuses unknown settings. */
export const sharedCluster = 'TEST_CLUSTER'
/** Network namespaces and control groups of the nodes. */
export const namespacePrefix = `trow${suffix}-`
export const namespacePattern = new RegExp(`^${namespacePrefix}n\\d+$`)
/** A line of /proc/PID/cgroup. */
export const cgroupPattern = new RegExp(`:/${namespacePrefix}n\\d+(/|$)`, 'm')
export const namespaceFolder = '/run/netns'
export const cgroupRoot = '/sys/fs/cgroup'

/** Folders at their usual paths. Each node has its own copy of them. */
export const privateFolders: Readonly<Record<string, string>> = {
  '/etc/containerd': 'etc-containerd',
  '/run/containerd': 'run-containerd',
  '/run/netns': 'run-netns',
  '/var/lib/cni': 'cni',
  '/var/lib/kubelet': 'kubelet',
  '/var/log/pods': 'log-pods',
  '/var/log/containers': 'log-containers',
}

/** Makes and returns a folder below the folder of the cluster, which must exist: only the start of a cluster creates it. */
export function subfolder(...names: readonly string[]): string {
  const path = join(clusterFolder, ...names)
  if (existsSync(clusterFolder)) mkdirSync(path, { recursive: true })
  return path
}

/** Whether a cluster of another name uses the `privateFolders`: removing them would unmount them there. */
export function othersHaveClusters(): boolean {
  return globSync(`${everyClusterFolder}*`).some((path) => path !== clusterFolder)
}
