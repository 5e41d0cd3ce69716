import { statSync } from 'node:fs'
import type { Log } from '../log.ts'

const groupAndOthers = 0o077
const setGroupId = 0o2000

/**
 * Names folders of secrets that other users of the machine get into. Not those of a pod that the kubelet has opened for
 * `fsGroup` (https://kubernetes.io/docs/tasks/configure-pod-container/security-context/): nobody else is in the container.
 */
export function warnOfWideFolders(
  folders: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  log: Log,
): void {
  if (process.platform === 'win32') return
  for (const folder of folders) {
    const found = statSync(folder, { throwIfNoEntry: false })
    if (found === undefined || (found.mode & groupAndOthers) === 0) continue
    if (env['KUBERNETES_SERVICE_HOST'] !== undefined && isOpenedForGroup(found)) continue
    log.warn(`other users of this machine get into ${folder}: chmod 700 ${folder}`, {
      mode: `0${(found.mode & 0o777).toString(8)}`,
    })
  }
}

function isOpenedForGroup({ mode, gid }: { readonly mode: number; readonly gid: number }): boolean {
  return (mode & setGroupId) !== 0 && (process.getgroups?.() ?? []).includes(gid)
}
