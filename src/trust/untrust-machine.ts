import { undoColonSteps } from './colon-link.ts'
import { restoreConfigSteps } from './config-path.ts'
import { untrustSteps } from './containerd-hosts.ts'
import { reloadCrio, undoCrioSteps } from './crio.ts'
import { undoDockerSteps } from './docker-node.ts'
import { hostFolders } from './host-folders.ts'
import { undoK0sSteps } from './k0s.ts'
import { clearUnfinished, makeSteps, type Step } from './machine-edit.ts'
import { MachineFiles } from './machine-files.ts'
import type { MachineOptions, MachineFacts, TrustChange, EditOptions } from './node-trust.ts'
import { isRegistryHost } from '../registry-host.ts'
import { findTrustedHosts } from './trusted-hosts.ts'

/**
 * Removes what trow wrote for these hosts, in every place where it may have written it, and restores every
 * file byte for byte. Restarts nothing: a containerd whose config_path was set keeps the setting until its
 * next start.
 */
export async function untrustMachine(
  options: MachineOptions,
  facts: MachineFacts,
  hosts: readonly string[],
  editOptions: Pick<EditOptions, 'dryRun'> = {},
): Promise<readonly TrustChange[]> {
  const files = new MachineFiles(options.hostRoot)
  // trow writes nothing for an invalid host name. Used as a path, such a name could lead to another folder.
  const steps = await planUntrust(files, facts, hosts.filter(isRegistryHost))
  const dryRun = editOptions.dryRun === true
  if (!dryRun) await clearUnfinished(files, places(facts, steps))
  const changes = await makeSteps(files, steps, dryRun)
  if (facts.runtime.name === 'cri-o' && !dryRun) await reloadCrio(files, changes)
  return changes
}

/**
 * Removes hosts.toml before the ca.crt that it names. What all hosts share is removed with the last of them.
 */
export async function planUntrust(
  files: MachineFiles,
  facts: MachineFacts,
  hosts: readonly string[],
): Promise<Step[]> {
  const isLast = (await findTrustedHosts(files, facts)).every((host) => hosts.includes(host))
  const steps: Step[] = []
  if (isLast) steps.push(...(await undoK0sSteps(files)))
  steps.push(...(await undoDockerSteps(files, hosts)))
  for (const folder of hostFolders(facts)) steps.push(...(await untrustSteps(files, folder, hosts)))
  steps.push(...(await undoCrioSteps(files, hosts)))
  if (isLast) {
    steps.push(...(await undoColonSteps(files, facts.configPath)))
    steps.push(...(await restoreConfigSteps(files, facts)))
  }
  return steps.filter(({ path }, index) => steps.findIndex((step) => step.path === path) === index)
}

/** The paths at which a killed run may have left unfinished files. */
function places(facts: MachineFacts, steps: readonly Step[]): string[] {
  const folders = [...hostFolders(facts), '/etc/containers/certs.d', '/etc/containers/registries.conf.d']
  return [
    ...steps.map(({ path }) => path),
    ...folders.map((folder) => `${folder}/host/file`),
    facts.configPath ?? '/',
  ]
}
