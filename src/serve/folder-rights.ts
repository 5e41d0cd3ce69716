import { statSync } from 'node:fs'
import type { Log } from '../log.ts'

const groupAndOthers = 0o077
const setGroupId = 0o2000

/**
 * Warns of folders with secrets that other users of the machine can enter. Folders of a pod that the kubelet
 * has opened for `fsGroup` are skipped, because no other user is in the container
 * (https://kubernetes.io/docs/tasks/configure-pod-container/security-context/).
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
