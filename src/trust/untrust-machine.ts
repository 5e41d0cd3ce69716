import { undoColonSteps } from './colon-link.ts'
import { restoreConfigSteps } from './config-path.ts'
import { untrustSteps } from './containerd-hosts.ts'
import { reloadCrio, undoCrioSteps } from './crio.ts'
import { undoDockerSteps } from './docker-node.ts'
import { hostFolders } from './host-folders.ts'
import { undoK0sSteps } from './k0s.ts'
import { clearUnfinished, makeSteps, type Step } from './machine-edit.ts'
import { MachineFiles } from './machine-files.ts'
import type { MachineOptions, NodeFacts, TrustChange, TrustMeans } from './node-trust.ts'
import { isRegistryHost } from '../registry-host.ts'
import { findTrustedHosts } from './trusted-hosts.ts'

/**
 * Takes back what trow has written for these hosts, wherever it may have written it: the tree is left byte for byte as it was.
 * Nothing is restarted; a containerd whose config_path was set goes on reading it until its next start.
 */
export async function untrustMachine(
  options: MachineOptions,
  facts: NodeFacts,
  hosts: readonly string[],
  means: Pick<TrustMeans, 'dryRun'> = {},
): Promise<readonly TrustChange[]> {
  const files = new MachineFiles(options.hostRoot)
  // For what is no host nothing was ever written; as a path it would lead elsewhere.
  const steps = await planUntrust(files, facts, hosts.filter(isRegistryHost))
  const dryRun = means.dryRun === true
  if (!dryRun) await clearUnfinished(files, places(facts, steps))
  const changes = await makeSteps(files, steps, dryRun)
  if (facts.runtime.name === 'cri-o' && !dryRun) await reloadCrio(files, changes)
  return changes
}

/** hosts.toml before the ca.crt that it names. What all hosts share goes with the last of them. */
export async function planUntrust(
  files: MachineFiles,
  facts: NodeFacts,
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

/** Where a killed run may have left unfinished work. */
function places(facts: NodeFacts, steps: readonly Step[]): string[] {
  const folders = [...hostFolders(facts), '/etc/containers/certs.d', '/etc/containers/registries.conf.d']
  return [
    ...steps.map(({ path }) => path),
    ...folders.map((folder) => `${folder}/host/file`),
    facts.configPath ?? '/',
  ]
}
