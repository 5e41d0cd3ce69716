import { readFileSync } from 'node:fs'
import { join } from 'node:path/posix'
import { minorOf, oldestTokenMinor } from '../../kubernetes-version.ts'
import { UserError } from '../../user-error.ts'
import { clearUnfinished, makeSteps, ownFile, type Step } from '../machine-edit.ts'
import { MachineFiles } from '../machine-files.ts'
import type { MachineOptions, MachineFacts, TrustChange, TrustProblem } from '../node-trust.ts'
import { isOwn } from '../ownership.ts'
import { flagCommands } from './flag-commands.ts'
import { findKubelet, isLater, ownProvider, type Kubelet } from './kubelet.ts'
import {
  ProviderConfigError,
  providerConfig,
  providerHosts,
  providerName,
  withProvider,
} from './provider-entry.ts'
import { noteIn, noteSteps, readNote, type ProviderNote, type ProviderPlace } from './provider-note.ts'

export interface TokenProvision {
  readonly changes: readonly TrustChange[]
  /**
   * True if the running kubelet passes the pod's own token to the runtime, so that no client certificate is
   * needed. `undefined` if no kubelet runs now; the last known value then still holds.
   */
  readonly effective: boolean | undefined
  /** Why it is not in effect yet, and what to run. */
  readonly problem: TrustProblem | undefined
}

/**
 * Configures the kubelet of a machine to pull images of these hosts with the service account of each pod
 * (KEP-4412). Writes the executable and the entry in the kubelet's configuration of credential providers, and
 * returns the steps that need a person. Entries of others stay. If the kubelet was started without such a
 * configuration, trow writes one of its own for a later start. The kubelet reads the configuration at its
 * start; trow never restarts it. A file of another owner in which no entry can be added is returned as a
 * problem, not thrown.
 */
export async function provideTokens(
  options: MachineOptions,
  facts: MachineFacts,
  hosts: readonly string[],
  { dryRun = false }: { readonly dryRun?: boolean } = {},
): Promise<TokenProvision> {
  if (facts.class === 'managed' || facts.class === 'unsupported') return refusal()
  const files = new MachineFiles(options.hostRoot)
  const kubelet = await findKubelet(files, facts.distribution, options.node)
  if (kubelet === 'none' || kubelet === 'several') return unfound(kubelet)
  const unfit = unfitness(kubelet)
  if (unfit !== undefined) return refusal(unfit)
  const place = await placeOf(files, kubelet)
  if (place === undefined) return refusal(outOfReach(kubelet))
  try {
    const { changes, note } = await write(files, { options, facts, home: kubelet.home, hosts, place, dryRun })
    const known = kubelet.provider !== undefined
    const read = note?.seen !== undefined && (note.seen === 'none' || isLater(kubelet.run, note.seen))
    const effective = known && read && changes.every(({ path }) => path !== place.config)
    const problem = effective
      ? undefined
      : known
        ? restartNeeded(kubelet, place)
        : await flagsMissing(files, facts, kubelet)
    return { changes, effective, problem }
  } catch (error) {
    if (!(error instanceof ProviderConfigError) && !(error instanceof UserError)) throw error
    return refusal(unwritable(error, place))
  }
}

/**
 * Returns where the entry and the executable belong; `undefined` if this process cannot see the kubelet's
 * files.
 */
async function placeOf(files: MachineFiles, { provider, home }: Kubelet): Promise<ProviderPlace | undefined> {
  const { config, folder } = provider ?? ownProvider(home)
  const program = join(await files.resolve(folder), providerName)
  const isFolder = (await files.kind(config)) === 'folder'
  const file = isFolder ? join(config, `${providerName}.yaml`) : config
  const place = { config: await files.resolve(file), program }
  if (provider === undefined || /^\/(etc|var)\//.test(folder)) return place
  return (await files.kind(folder)) === 'folder' && (await files.kind(config)) !== undefined
    ? place
    : undefined
}

interface ProvideOptions {
  readonly options: MachineOptions
  readonly facts: MachineFacts
  readonly home: string
  readonly hosts: readonly string[]
  readonly place: ProviderPlace
  readonly dryRun: boolean
}

/**
 * Order of the writes: the record first, so that a killed run can be undone; then the executable; then the
 * entry that names it, because a kubelet does not start if the executable is missing; then the record again,
 * with the kubelet that runs now.
 */
async function write(
  files: MachineFiles,
  { options, facts, home, hosts, place, dryRun }: ProvideOptions,
): Promise<{ changes: TrustChange[]; note: ProviderNote | undefined }> {
  const note = await readNote(files, home)
  const config = await configSteps(files, place.config, hosts)
  const program = await ownFile(files, place.program, providerProgram(), 0o755)
  const others = (note?.places ?? []).filter((each) => JSON.stringify(each) !== JSON.stringify(place))
  const last = note?.places.at(-1)
  const isNew = JSON.stringify(last) !== JSON.stringify(place)
  const begun = { places: [...others, place], seen: undefined }
  const stale = config.length > 0 || isNew || note?.seen === undefined
  const first = stale ? await noteSteps(files, home, begun) : []
  const steps = [...first, ...program, ...config]
  if (!dryRun && steps.length > 0) await clearUnfinished(files, [place.config, place.program, noteIn(home)])
  const changes = await makeSteps(files, steps, dryRun)
  if (!stale || dryRun) return { changes, note: stale ? begun : note }
  const now = await findKubelet(files, facts.distribution, options.node)
  const done: ProviderNote = {
    ...begun,
    seen: now === 'several' ? undefined : now === 'none' ? now : now.run,
  }
  await makeSteps(files, await noteSteps(files, home, done))
  return { changes, note: done }
}

async function configSteps(files: MachineFiles, path: string, hosts: readonly string[]): Promise<Step[]> {
  const before = await files.read(path)
  const all = [...new Set([...providerHosts(before ?? ''), ...hosts])].sort()
  if (before === undefined || isOwn(before)) return ownFile(files, path, providerConfig(all))
  const text = withProvider(before, all)
  return text === before ? [] : [{ kind: 'write', path, text, before }]
}

/** Returns the executable as the kubelet runs it. */
export function providerProgram(): string {
  return readFileSync(new URL('../../../templates/trow-credential-provider.sh', import.meta.url), 'utf8')
}

function refusal(problem?: TrustProblem): TokenProvision {
  return { changes: [], effective: false, problem }
}

function unfound(found: 'none' | 'several'): TokenProvision {
  const problem: TrustProblem =
    found === 'none'
      ? {
          code: 'PULL_IDENTITY_KUBELET',
          message: 'no kubelet runs here that could hand over tokens of service accounts',
          fatal: false,
        }
      : {
          code: 'PULL_IDENTITY_KUBELET',
          message: 'several kubelets run here, and which one is the machine’s own cannot be told',
          hint: 'Give each its --hostname-override; until then images are pulled as before.',
          fatal: false,
        }
  return { changes: [], effective: found === 'none' ? undefined : false, problem }
}

/** A kubelet that does not know `tokenAttributes` does not start with an entry that has them. */
function unfitness({ version, gateOff }: Kubelet): TrustProblem | undefined {
  const minor = minorOf(version)
  if (minor < 0) {
    return {
      code: 'PULL_IDENTITY_VERSION',
      message: 'the kubelet does not say of which version it is, and one before 1.34 would not start again',
      hint: 'Images are pulled as before.',
      fatal: false,
    }
  }
  if (minor < oldestTokenMinor) {
    return {
      code: 'PULL_IDENTITY_VERSION',
      message: `kubelet ${version} cannot hand over tokens of service accounts, which came with 1.34`,
      hint: 'Update the node; until then it pulls as before.',
      fatal: false,
    }
  }
  if (!gateOff) return undefined
  return {
    code: 'PULL_IDENTITY_VERSION',
    message: 'the feature gate KubeletServiceAccountTokenForCredentialProviders is off',
    hint: 'Take it out of the kubelet’s --feature-gates or featureGates, and restart the kubelet.',
    fatal: false,
  }
}

function outOfReach({ provider }: Kubelet): TrustProblem {
  return {
    code: 'PULL_IDENTITY_CONFIG',
    message: `${provider?.config} or ${provider?.folder}, which the kubelet was started with, is not to be seen from here`,
    hint: 'The agents see /etc and /var of their node: move the files there, change the kubelet’s flags, and restart it.',
    fatal: false,
  }
}

function unwritable(error: ProviderConfigError | UserError, { config }: ProviderPlace): TrustProblem {
  const isTheirs = error instanceof ProviderConfigError
  return {
    code: 'PULL_IDENTITY_CONFIG',
    message: isTheirs ? `${config} has been left as it is: ${error.message}` : error.message,
    ...(isTheirs
      ? { hint: `Mend ${config} (KEP-4412; docs/pull-identity.md); until then images are pulled as before.` }
      : error.hint === undefined
        ? {}
        : { hint: error.hint }),
    file: config,
    fatal: false,
  }
}

function restartNeeded({ unit }: Kubelet, { config }: ProviderPlace): TrustProblem {
  return {
    code: 'PULL_IDENTITY_RESTART',
    message: 'the kubelet was started before trow’s credential provider stood in its configuration',
    hint: `systemctl restart ${unit}; running pods go on, and until then images are pulled as before.`,
    file: config,
    fatal: false,
  }
}

async function flagsMissing(
  files: MachineFiles,
  facts: MachineFacts,
  kubelet: Kubelet,
): Promise<TrustProblem> {
  return {
    code: 'PULL_IDENTITY_FLAGS',
    message: 'the kubelet was started without credential providers, and images are pulled as before',
    hint: await flagCommands(files, facts.distribution, kubelet),
    fatal: false,
  }
}
