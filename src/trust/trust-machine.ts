import { reasonOf } from '../reason-of.ts'
import { exitCode, UserError } from '../user-error.ts'
import { identityFault } from './client-identity.ts'
import { colonSteps } from './colon-link.ts'
import { setConfigPath } from './config-path.ts'
import { trustSteps } from './containerd-hosts.ts'
import { crioSteps, reloadCrio } from './crio.ts'
import { dockerSteps } from './docker-node.ts'
import { k0sFolder, k0sSteps } from './k0s.ts'
import { clearUnfinished, makeSteps, type Step } from './machine-edit.ts'
import { MachineFiles } from './machine-files.ts'
import type {
  MachineOptions,
  MachineFacts,
  NodeTrust,
  TrustChange,
  EditOptions,
  TrustProblem,
} from './node-trust.ts'
import { platformCommands } from './platform-commands.ts'
import { refuseRegistriesYaml } from './rancher.ts'
import { onlyCertificates, readCertificates } from '../pem-bundle.ts'
import { isRegistryHost } from '../registry-host.ts'

/**
 * Makes a machine's runtime trust the registry. Returns the changes; none if everything is as it should be.
 * Every file is checked before the first one is written. If `config_path` is unset, the files are still
 * written and take effect once it is set. Throws UserError: PLATFORM_MANAGED and RUNTIME_UNSUPPORTED,
 * FILE_FOREIGN, REGISTRIES_YAML, DOCKER_NEEDS_HOSTS, HOST_INVALID, TRUST_CA_INVALID, MACHINE_NOT_WRITABLE,
 * and those of `setConfigPath`.
 */
export async function trustMachine(
  options: MachineOptions,
  facts: MachineFacts,
  trust: NodeTrust,
  editOptions: EditOptions = {},
): Promise<readonly TrustChange[]> {
  const files = new MachineFiles(options.hostRoot)
  checkNames(trust)
  const checked = { ...trust, ca: checkedCa(trust.ca) }
  const steps = await planTrust(files, options, facts, await withUsableIdentity(files, checked), editOptions)
  const dryRun = editOptions.dryRun === true
  if (!dryRun) await clearUnfinished(files, touched(steps))
  const changes = await makeSteps(files, steps, dryRun)
  const isConfig = facts.class === 'unset' && editOptions.restartRuntime === true
  if (isConfig) changes.push(...(await setConfigPath(files, facts, options, dryRun)))
  if (facts.runtime.name === 'cri-o' && !dryRun) await reloadCrio(files, changes)
  return changes
}

/** Returns why a client certificate is left out of the runtime's configuration; `undefined` if it is used. */
export async function identityProblem(
  options: MachineOptions,
  identity: NodeTrust['identity'],
): Promise<TrustProblem | undefined> {
  if (identity === undefined) return undefined
  const fault = await identityFault(new MachineFiles(options.hostRoot), identity)
  if (fault === undefined) return undefined
  return {
    code: 'IDENTITY_UNUSABLE',
    message: `the machine pulls without a certificate: ${fault}`,
    hint: 'It is named again by the next run after certificate and key are there.',
    file: identity.certificate,
    fatal: false,
  }
}

/** Returns the remaining steps in their order. */
export async function planTrust(
  files: MachineFiles,
  options: MachineOptions,
  facts: MachineFacts,
  trust: NodeTrust,
  editOptions: EditOptions,
): Promise<Step[]> {
  const { folder, distribution } = facts
  if (facts.class === 'managed') {
    throw new UserError('PLATFORM_MANAGED', `files of ${distribution} are written by its own tools only`, {
      hint: platformCommands(distribution, trust),
    })
  }
  if (facts.class === 'unsupported' || folder === undefined) {
    const [problem] = facts.problems
    throw new UserError(
      'RUNTIME_UNSUPPORTED',
      problem?.message ?? 'the runtime is not known',
      problem?.hint === undefined ? {} : { hint: problem.hint },
    )
  }
  switch (facts.runtime.name) {
    case 'cri-o':
      return crioSteps(files, trust)
    case 'docker':
      return dockerSteps(files, trust, editOptions.editHosts === true)
    default:
      await refuseRegistriesYaml(files, distribution, trust.hosts)
      return [
        ...(await trustSteps(files, folder, trust)),
        ...(facts.class === 'colon' && facts.configPath !== undefined
          ? await colonSteps(files, facts.configPath, folder)
          : []),
        ...(distribution === 'k0s' && folder === k0sFolder ? await k0sSteps(files, options.node) : []),
      ]
  }
}

/**
 * A file that containerd cannot read fails every endpoint: without a usable certificate and key, `client` is
 * left out.
 */
async function withUsableIdentity(files: MachineFiles, trust: NodeTrust): Promise<NodeTrust> {
  const { identity } = trust
  if (identity === undefined || (await identityFault(files, identity)) === undefined) return trust
  return { ...trust, identity: undefined }
}

/** Hosts and endpoints become folder names and file content, so their characters are checked. */
function checkNames({ hosts, endpoints }: NodeTrust): void {
  const wrong = [...hosts, ...endpoints].find((each) => !isRegistryHost(each))
  if (wrong === undefined) return
  throw new UserError('HOST_INVALID', `${JSON.stringify(wrong)} is no host of a registry`, {
    hint: 'Write HOST or HOST:PORT in small letters, such as trow.trow.svc.',
    exitCode: exitCode.usage,
  })
}

/** Returns only the certificates of the bundle. */
function checkedCa(ca: string): string {
  try {
    const certificates = readCertificates(ca)
    if (certificates.length === 0) throw new Error('there is no certificate in it')
    if (certificates.some((each) => !each.ca)) throw new Error('a certificate in it is no CA')
    return onlyCertificates(ca)
  } catch (cause) {
    throw new UserError('TRUST_CA_INVALID', `the CA cannot be used: ${reasonOf(cause)}`, {
      hint: 'Give PEM certificates of the CA that signed the registry’s: ca.crt of trow, not tls.crt.',
      exitCode: exitCode.usage,
      cause,
    })
  }
}

function touched(steps: readonly Step[]): string[] {
  return steps.map(({ path }) => path)
}
