import { UserError } from '../user-error.ts'
import { withConfigPath, withoutConfigPath } from './config-path-edit.ts'
import { parseRelease, readContainerdConfig } from './containerd-config.ts'
import { makeSteps, ownFile, removeOwn, type Step } from './machine-edit.ts'
import type { MachineFiles } from './machine-files.ts'
import type { MachineOptions, MachineFacts, TrustChange } from './node-trust.ts'
import { answers, hasSystemd, manageUnit } from './restart-runtime.ts'
import { unitOf } from './runtime.ts'

const usualConfig = '/etc/containerd/config.toml'
const patience = 60_000
/** These distributions write the configuration anew at every start. */
const generated = new Set(['k3s', 'rke2', 'k0s', 'microk8s'])

/**
 * Sets config_path and restarts containerd. If containerd does not come back, the old file is restored and
 * containerd is started with it. Throws UserError RUNTIME_CONFIG_REFUSED (nothing was changed) and
 * RUNTIME_NOT_RESTARTED.
 */
export async function setConfigPath(
  files: MachineFiles,
  facts: MachineFacts,
  { restart }: MachineOptions,
  dryRun: boolean,
): Promise<TrustChange[]> {
  const steps = await configSteps(files, facts)
  if (steps.length === 0 || dryRun) return makeSteps(files, steps, dryRun)
  if (restart === undefined && !(await hasSystemd(files))) {
    throw refused(
      'this machine has no systemd that could restart containerd',
      'Set it and restart containerd by hand.',
    )
  }
  const unit = await unitOf(files, 'containerd')
  const restartOnce = restart ?? (async () => manageUnit(files, 'restart', unit))
  const changes = await makeSteps(files, steps)
  const fault = (await restartOnce(unit)) ?? (await silence(files, facts))
  if (fault === undefined) return changes
  await makeSteps(files, await restoreConfigSteps(files, facts))
  const again = await restartOnce(unit)
  throw new UserError('RUNTIME_NOT_RESTARTED', `containerd did not come back with config_path: ${fault}`, {
    hint:
      again === undefined
        ? `${facts.config} is as it was and ${unit} has been started with it; see journalctl -u ${unit}.`
        : `${facts.config} is as it was, but ${unit} could not be started (${again}): see journalctl -u ${unit}.`,
  })
}

/** Removes config_path from the file in which trow set it. */
export async function restoreConfigSteps(files: MachineFiles, facts: MachineFacts): Promise<Step[]> {
  const steps: Step[] = []
  for (const named of new Set([facts.config ?? usualConfig, usualConfig])) {
    const path = await files.resolve(named)
    const before = await files.read(path)
    if (before === undefined) continue
    const own = await removeOwn(files, path)
    steps.push(...own)
    const text = withoutConfigPath(before)
    if (own.length === 0 && text !== before) steps.push({ kind: 'write', path, text, before })
  }
  return steps
}

async function configSteps(files: MachineFiles, facts: MachineFacts): Promise<Step[]> {
  const { config = usualConfig, distribution, folder = '', runtime } = facts
  if (generated.has(distribution)) {
    throw refused(
      `${distribution} writes ${config} anew at every start`,
      `Update ${distribution}: its later versions set it.`,
    )
  }
  const release = parseRelease(runtime.version)
  const path = await files.resolve(config)
  const before = await files.read(path)
  if (before === undefined) {
    const [version, plugin] =
      release.major >= 2 ? [3, 'io.containerd.cri.v1.images'] : [2, 'io.containerd.grpc.v1.cri']
    return ownFile(
      files,
      path,
      `version = ${version}\n[plugins."${plugin}".registry]\n  config_path = "${folder}"\n`,
    )
  }
  const { inlineRegistries } = await readContainerdConfig(files, config, runtime.version)
  if (inlineRegistries) {
    throw refused(
      `${config} has mirrors or configs inline, and containerd does not start with both`,
      'Move them into hosts.toml files first.',
    )
  }
  const text = withConfigPath(before, folder, release)
  if (text === undefined) {
    throw refused(
      `${config} is written in a way that has no room for it`,
      `Set config_path = "${folder}" by hand.`,
    )
  }
  return text === before ? [] : [{ kind: 'write', path, text, before }]
}

async function silence(files: MachineFiles, { socket }: MachineFacts): Promise<string | undefined> {
  if (socket === undefined || (await answers(await files.locate(socket), patience))) return undefined
  return `nobody listened on ${socket} within ${patience / 1000} s`
}

function refused(reason: string, hint: string): UserError {
  return new UserError('RUNTIME_CONFIG_REFUSED', `config_path was not set: ${reason}`, { hint })
}
