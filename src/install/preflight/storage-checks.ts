import { isDeepStrictEqual } from 'node:util'
import { names } from '../../cluster/layout.ts'
import type { ClusterObjects, KubeObject } from '../../cluster/cluster-objects.ts'
import { failed, final, passed, warned, type PreflightCheck, type PreflightCategory } from '../check.ts'
import type { InstallSettings, Storage } from '../install-settings.ts'
import type { Remembered } from '../remembered.ts'
import { runningStorage, storageOptions } from '../running-storage.ts'
import type { PreflightContext } from './preflight-context.ts'
import { limitChecks } from './limit-checks.ts'
import { quotaCheck } from './quota-check.ts'

const id = 'storage'

export async function storageChecks(context: PreflightContext): Promise<PreflightCategory> {
  const { cluster, settings } = context
  const checks = [
    final(await check(cluster, settings)),
    ...(await sameAsBefore(context)).map(final),
    await quotaCheck(cluster, settings),
    ...(await limitChecks(cluster, settings)).map(final),
  ]
  return { categoryName: 'storage', checks }
}

async function check(
  cluster: ClusterObjects,
  { namespace, storage }: InstallSettings,
): Promise<PreflightCheck> {
  switch (storage.kind) {
    case 'ephemeral':
      return warned(
        id,
        'the images are kept when the pod goes',
        '--storage ephemeral: they are gone with the pod',
        'Only for trying it out.',
      )
    case 'local':
      return localCheck(cluster, storage.path, storage.node)
    case 'claim':
      return claimCheck(cluster, namespace, storage.className)
  }
}

async function claimCheck(
  cluster: ClusterObjects,
  namespace: string,
  className: string | undefined,
): Promise<PreflightCheck> {
  const name = names.claim
  const claim = await cluster.get({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', name, namespace })
  const phase = (claim?.['status'] as { phase?: string } | undefined)?.phase
  if (phase === 'Bound') return passed(id, `volume claim ${name} is there and bound`)
  const classes = await cluster.list({ apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass' })
  const known = classes.map(({ metadata }) => metadata.name).join(', ') || 'none at all'
  const offer =
    '--storage local:/PATH keeps the data in a folder of one node, --storage ephemeral keeps it only as long as the pod.'
  if (className !== undefined) {
    const description = `StorageClass ${className} is there`
    return classes.some(({ metadata }) => metadata.name === className)
      ? passed(id, description)
      : failed(id, description, `the cluster has ${known}`, `Name one with --storage-class; ${offer}`)
  }
  const description = 'there is a default StorageClass'
  if (classes.some(isDefault)) return passed(id, description)
  return failed(
    id,
    description,
    `a volume would wait for ever: the cluster has ${known}, and no default`,
    `${classes.length === 0 ? '' : 'Name one with --storage-class. '}${offer}`,
  )
}

function isDefault({ metadata }: KubeObject): boolean {
  return metadata.annotations?.['storageclass.kubernetes.io/is-default-class'] === 'true'
}

async function localCheck(
  cluster: ClusterObjects,
  path: string,
  node: string | undefined,
): Promise<PreflightCheck> {
  const description = `node ${node ?? ''} keeps the data in ${path}`
  if (node === undefined) return failed(id, description, 'no node is Ready and free for pods')
  const found = await cluster.get({ apiVersion: 'v1', kind: 'Node', name: node })
  return found === undefined
    ? failed(id, description, `there is no node ${node}`, 'kubectl get nodes shows their names.')
    : passed(id, description)
}

/**
 * A StatefulSet keeps the claim with which it was created: its own storage counts, even if the record of the
 * last install is missing.
 */
async function sameAsBefore({ cluster, settings, remembered }: PreflightContext): Promise<PreflightCheck[]> {
  const before = remembered?.settings?.storage ?? (await runningStorage(cluster, settings.namespace))
  if (before === undefined) return []
  const lost = remembered?.settings === undefined ? [lostCheck(settings.namespace, remembered)] : []
  const description = 'the storage is the one of the last install'
  if (isSame(settings.storage, before)) return [...lost, passed('same-storage', description)]
  const move = `To grow a volume: kubectl -n ${settings.namespace} edit pvc ${names.claim}. To move it: trow backup, trow uninstall, install, trow restore.`
  const again = `trow install ${storageOptions(before)} goes on with it.`
  return [
    ...lost,
    failed(
      'same-storage',
      description,
      `it was ${words(before)}, and you ask for ${words(settings.storage)}`,
      `${again} ${move}`,
    ),
  ]
}

function lostCheck(namespace: string, remembered: Remembered | undefined): PreflightCheck {
  const map = `ConfigMap ${names.settings} in ${namespace}`
  return warned(
    'last-install',
    'the options of the last install are known',
    `StatefulSet ${names.statefulSet} is there, and ${map} ${remembered === undefined ? 'is not' : 'cannot be read'}`,
    'What is not given starts from the defaults: give --host, --clients and the like again.',
  )
}

function isSame(one: Storage, other: Storage): boolean {
  const plain = (storage: Storage): unknown => JSON.parse(JSON.stringify(storage))
  return isDeepStrictEqual(plain(one), plain(other))
}

function words(storage: Storage): string {
  if (storage.kind === 'ephemeral') return 'ephemeral'
  if (storage.kind === 'local') return `${storage.size} in ${storage.path} of node ${storage.node}`
  return `a volume of ${storage.size} of ${storage.className ?? 'the default class'}`
}
