import { findKubeletCertificate } from './client-identity.ts'
import {
  ContainerdConfigError,
  isAtLeast,
  parseRelease,
  readContainerdConfig,
  type ContainerdConfig,
} from './containerd-config.ts'
import { findDistribution, type Distribution } from './distribution.ts'
import { k0sFolder } from './k0s.ts'
import { MachineFiles } from './machine-files.ts'
import type { MachineOptions, MachineFacts, TrustProblem } from './node-trust.ts'
import { findRuntime, type Runtime } from './runtime.ts'

const usualConfig = '/etc/containerd/config.toml'
const usualFolder = '/etc/containerd/certs.d'
const sockets = {
  containerd: ['/run/containerd/containerd.sock', '/var/run/containerd/containerd.sock'],
  'cri-o': ['/run/crio/crio.sock', '/var/run/crio/crio.sock'],
  docker: ['/run/cri-dockerd.sock', '/var/run/cri-dockerd.sock'],
  unknown: [],
}

/** Finds out what a machine is and where its runtime looks for registries. Reads only. */
export async function inspectMachine(options: MachineOptions): Promise<MachineFacts> {
  const files = new MachineFiles(options.hostRoot)
  const distribution = await findDistribution(files, options.node)
  const runtime = await findRuntime(files, options.node, async (containerd) => {
    const config = await readContainerdConfig(
      files,
      configOf(distribution, containerd),
      containerd.version,
    ).catch(() => undefined)
    return config?.cri !== false
  })
  const base = {
    distribution: distribution.name,
    runtime: { name: runtime.name, version: runtime.version },
    kubeletCertificate: await findKubeletCertificate(files, distribution),
  }
  if (distribution.managed === true) {
    const problem: TrustProblem = {
      code: 'PLATFORM_MANAGED',
      message: `files of ${distribution.name} are written by its own tools only`,
      hint: 'trow trust-node --registry URL --ca FILE prints what to run instead.',
      fatal: true,
    }
    return { ...base, class: 'managed', socket: undefined, folder: undefined, problems: [problem] }
  }
  const usual = [...(distribution.sockets ?? []), ...sockets[runtime.name]]
  if (runtime.name === 'containerd') {
    const found = await inspectContainerd(files, distribution, runtime)
    const { address, ...rest } = found
    return {
      ...base,
      ...rest,
      socket: await files.first(address === undefined ? usual : [address, ...usual]),
    }
  }
  const socket = await files.first(usual)
  if (runtime.name === 'cri-o')
    return { ...base, class: 'direct', socket, folder: '/etc/containers', problems: [] }
  if (runtime.name === 'docker') {
    return { ...base, class: 'direct', socket, folder: '/etc/docker/certs.d', problems: [] }
  }
  const problem: TrustProblem = {
    code: 'RUNTIME_UNKNOWN',
    message: 'no container runtime that trow knows was found',
    hint: 'trow knows containerd, CRI-O and dockerd; a machine without Kubernetes must have one running or installed.',
    fatal: true,
  }
  return { ...base, class: 'unsupported', socket, folder: undefined, problems: [problem] }
}

type ContainerdFacts = Pick<MachineFacts, 'class' | 'folder' | 'problems' | 'config' | 'configPath'> & {
  readonly address: string | undefined
}

async function inspectContainerd(
  files: MachineFiles,
  distribution: Distribution,
  runtime: Runtime,
): Promise<ContainerdFacts> {
  const path = configOf(distribution, runtime)
  let config: ContainerdConfig
  try {
    config = await readContainerdConfig(files, path, runtime.version)
  } catch (error) {
    if (!(error instanceof ContainerdConfigError)) throw error
    const problem: TrustProblem = {
      code: 'RUNTIME_CONFIG_INVALID',
      message: `containerd's configuration cannot be read: ${error.message}`,
      hint: `Repair ${error.file}: containerd will not start with it either.`,
      file: error.file,
      fatal: true,
    }
    return { class: 'unsupported', folder: undefined, problems: [problem], address: undefined }
  }
  const { address } = config
  const given = folderOf(distribution, config)
  const facts = { address, config: config.file ?? path }
  if (given === undefined) {
    return { ...facts, class: 'unset', folder: usualFolder, problems: [configPathUnset(config, path)] }
  }
  const [folder = usualFolder] = given.split(':').filter((each) => each.startsWith('/'))
  if (!given.includes(':')) return { ...facts, class: 'direct', folder, problems: [], configPath: given }
  if (config.localPull && isKnown(runtime)) {
    return { ...facts, class: 'direct', folder, problems: [], configPath: given }
  }
  const problem: TrustProblem = {
    code: 'CONFIG_PATH_LIST',
    message: `containerd ${runtime.version} takes the list ${given} for the name of one folder`,
    hint: 'trow makes a link of that name, which works without a restart.',
    file: facts.config,
    fatal: false,
  }
  return { ...facts, class: 'colon', folder, problems: [problem], configPath: given }
}

/**
 * A distribution that generates the configuration has its own folder, which is in effect if the configuration
 * names none, and before the first start.
 */
function folderOf(distribution: Distribution, config: ContainerdConfig): string | undefined {
  if (distribution.name === 'k0s' && !config.configured) return k0sFolder
  // microk8s writes config_path with a variable of snap; the distribution's known folder is used instead.
  const isOpen = config.file === undefined || config.configPath?.includes('$') === true
  return isOpen && distribution.folder !== undefined ? distribution.folder : config.configPath
}

function configPathUnset(config: ContainerdConfig, path: string): TrustProblem {
  const file = config.file ?? path
  return config.inlineRegistries
    ? {
        code: 'CONFIG_PATH_UNSET',
        message: `containerd reads no folder of registries: ${file} has mirrors or configs inline, which exclude config_path`,
        hint: `Move them into hosts.toml files, set config_path = "${usualFolder}" in ${file} and restart containerd.`,
        file,
        fatal: true,
      }
    : {
        code: 'CONFIG_PATH_UNSET',
        message: `containerd reads no folder of registries: config_path is not set in ${file}`,
        hint: `trow trust-node --restart-runtime sets config_path = "${usualFolder}" and restarts containerd; running pods go on.`,
        file,
        fatal: true,
      }
}

function configOf(distribution: Distribution, runtime: Runtime): string {
  return runtime.config ?? distribution.config ?? usualConfig
}

function isKnown({ version }: Runtime): boolean {
  return isAtLeast(parseRelease(version), 1, 0)
}
