import { minorOf } from '../kubernetes-version.ts'
import { ownFile, removeOwn, type Step } from './machine-edit.ts'
import type { MachineFiles } from './machine-files.ts'
import type { MachineOptions } from './node-trust.ts'

/** The folder that trow's drop-in names. k0s reloads containerd by itself when a drop-in appears. */
export const k0sFolder = '/etc/k0s/containerd.d/certs.d'
const dropIn = '/etc/k0s/containerd.d/trow.toml'

/** k0s 1.36 and later uses the syntax of version 3. */
export async function k0sSteps(files: MachineFiles, node: MachineOptions['node']): Promise<Step[]> {
  const [plugin, version] = (await isNew(files, node))
    ? ['io.containerd.cri.v1.images', 3]
    : ['io.containerd.grpc.v1.cri', 2]
  return ownFile(
    files,
    dropIn,
    `version = ${version}\n[plugins."${plugin}".registry]\n  config_path = "${k0sFolder}"\n`,
  )
}

export async function undoK0sSteps(files: MachineFiles): Promise<Step[]> {
  return removeOwn(files, dropIn)
}

async function isNew(files: MachineFiles, node: MachineOptions['node']): Promise<boolean> {
  const minor = minorOf(node?.kubeletVersion ?? '')
  if (minor >= 0) return minor >= 36
  const generated =
    (await files.read('/run/k0s/containerd-cri.toml')) ?? (await files.read('/etc/k0s/containerd.toml'))
  return /^version\s*=\s*3/m.test(generated ?? '')
}
