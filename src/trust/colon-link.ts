import { dirname, join } from 'node:path/posix'
import { ownFile, ownLink, removeLink, removeOwn, type Step } from './machine-edit.ts'
import type { MachineFiles } from './machine-files.ts'

const usualList = '/etc/containerd/certs.d:/etc/docker/certs.d'

/**
 * containerd 2.1 and later pulls through the transfer service, which takes a colon-separated list in
 * config_path for one path (containerd#12415). A link with exactly that name lets containerd find the folder
 * without a restart. The file `managed-by-trow` beside the link records that trow made it.
 */
export async function colonSteps(files: MachineFiles, list: string, folder: string): Promise<Step[]> {
  const note = noteOf(list)
  if ((await files.read(note)) === undefined && (await files.exists(list))) return []
  return [
    ...(await ownFile(
      files,
      note,
      `# ${JSON.stringify(list)} is what containerd reads for its config_path.\n`,
    )),
    ...(await ownLink(files, list, folder)),
  ]
}

export async function undoColonSteps(files: MachineFiles, list = usualList): Promise<Step[]> {
  const steps: Step[] = []
  for (const each of new Set([list, usualList])) {
    const note = noteOf(each)
    const removal = await removeOwn(files, note)
    if (removal.length === 0) continue
    steps.push(...(await removeLink(files, each)), ...removal)
  }
  return steps
}

function noteOf(list: string): string {
  return join(dirname(list), 'managed-by-trow')
}
