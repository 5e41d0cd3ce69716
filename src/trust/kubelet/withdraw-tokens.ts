import { dirname } from 'node:path/posix'
import { UserError } from '../../user-error.ts'
import { clearUnfinished, makeSteps, ownFile, removeOwn, type Step } from '../machine-edit.ts'
import { MachineFiles } from '../machine-files.ts'
import type { MachineOptions, MachineFacts, TrustChange, TrustProblem } from '../node-trust.ts'
import { isOwn } from '../ownership.ts'
import { findKubelet, providerHomes, type Kubelet } from './kubelet.ts'
import {
  otherProviders,
  ProviderConfigError,
  providerConfig,
  providerHosts,
  withoutProvider,
  withProvider,
} from './provider-entry.ts'
import { noteIn, readNote, removeNote, type ProviderNote, type ProviderPlace } from './provider-note.ts'

export interface TokenWithdrawal {
  readonly changes: readonly TrustChange[]
  /** What could not be removed, why, and what to run. */
  readonly problem: TrustProblem | undefined
}

/** Returns the hosts for which trow's credential provider is installed on a machine. */
export async function providedHosts(options: MachineOptions, facts: MachineFacts): Promise<string[]> {
  const files = new MachineFiles(options.hostRoot)
  const kubelet = await findKubelet(files, facts.distribution, options.node)
  const found = new Set<string>()
  for (const { config } of (await findNote(files, kubelet))?.note.places ?? [])
    for (const host of providerHosts((await files.read(config)) ?? '')) found.add(host)
  return [...found].sort()
}

/**
 * Removes the credential provider for these hosts and restores every file byte for byte. The entry is removed
 * before the executable that it names. Files without which the kubelet would not start, because its flags
 * name them and they contain nothing else, stay; the returned problem names them.
 */
export async function withdrawTokens(
  options: MachineOptions,
  facts: MachineFacts,
  hosts: readonly string[],
  { dryRun = false }: { readonly dryRun?: boolean } = {},
): Promise<TokenWithdrawal> {
  const files = new MachineFiles(options.hostRoot)
  const kubelet = await findKubelet(files, facts.distribution, options.node)
  const noted = await findNote(files, kubelet)
  if (noted === undefined) return { changes: [], problem: undefined }
  const { note, home } = noted
  const provider = typeof kubelet === 'string' ? undefined : kubelet.provider
  const used = provider?.optional === true ? undefined : provider?.config
  const steps: Step[] = []
  let problem: TrustProblem | undefined
  try {
    for (const place of note.places) {
      const given = await withdrawal(files, place, hosts)
      if (given.isLast && given.steps.length > 0 && (await holdsUp(files, place, used))) {
        problem = inUse(place, kubelet)
      } else steps.push(...given.steps)
    }
    const left = await leftOver(files, note.places, steps)
    if (!left) steps.push(...(await removeNote(files, home)))
  } catch (error) {
    if (!(error instanceof ProviderConfigError) && !(error instanceof UserError)) throw error
    return { changes: [], problem: unreadable(error, note.places) }
  }
  if (!dryRun && steps.length > 0)
    await clearUnfinished(files, [noteIn(home), ...steps.map(({ path }) => path)])
  return { changes: await makeSteps(files, steps, dryRun), problem }
}

/** Plans the removal in one place. `isLast` is true if trow's entry has no host left. */
async function withdrawal(
  files: MachineFiles,
  { config, program }: ProviderPlace,
  hosts: readonly string[],
): Promise<{ steps: Step[]; isLast: boolean }> {
  const before = await files.read(config)
  const left = providerHosts(before ?? '').filter((host) => !hosts.includes(host))
  if (before === undefined) return { steps: await removeOwn(files, program), isLast: true }
  const isOurs = isOwn(before)
  if (left.length > 0) {
    if (isOurs) return { steps: await ownFile(files, config, providerConfig(left)), isLast: false }
    const text = withProvider(before, left)
    return { steps: text === before ? [] : [write(config, text, before)], isLast: false }
  }
  const text = isOurs ? undefined : withoutProvider(before)
  const entry =
    text === undefined ? await removeOwn(files, config) : text === before ? [] : [write(config, text, before)]
  return { steps: [...entry, ...(await removeOwn(files, program))], isLast: true }
}

function write(path: string, text: string, before: string): Step {
  return { kind: 'write', path, text, before }
}

/** Returns whether the kubelet, whose flags name `used`, would find no provider at its next start. */
async function holdsUp(
  files: MachineFiles,
  { config }: ProviderPlace,
  used: string | undefined,
): Promise<boolean> {
  if (used === undefined) return false
  const named = await files.resolve(used)
  if (named === config) return otherProviders((await files.read(config)) ?? '') === 0
  if (named !== dirname(config)) return false
  const others = (await files.list(named)).filter((name) => /\.(json|ya?ml)$/.test(name))
  return others.length === 1
}

async function leftOver(
  files: MachineFiles,
  places: readonly ProviderPlace[],
  steps: readonly Step[],
): Promise<boolean> {
  for (const { program } of places) {
    const goes = steps.some((step) => step.kind === 'remove' && step.path === program)
    if (!goes && (await files.exists(program))) return true
  }
  return false
}

async function findNote(
  files: MachineFiles,
  kubelet: Kubelet | 'none' | 'several',
): Promise<{ note: ProviderNote; home: string } | undefined> {
  for (const home of providerHomes(kubelet)) {
    const note = await readNote(files, home)
    if (note !== undefined) return { note, home }
  }
  return undefined
}

function inUse({ config }: ProviderPlace, kubelet: Kubelet | 'none' | 'several'): TrustProblem {
  const { unit, home } = typeof kubelet === 'string' ? { unit: 'kubelet.service', home: '' } : kubelet
  const flags =
    home !== '' && config.startsWith(`${home}/`)
      ? 'Take --image-credential-provider-config and --image-credential-provider-bin-dir out of the kubelet’s flags'
      : 'Give the kubelet another credential provider, or take its two flags --image-credential-provider-… out'
  return {
    code: 'PULL_IDENTITY_IN_USE',
    message: `${config} stays: the kubelet was started with it, and would not start again without it`,
    hint: `${flags}, systemctl restart ${unit}, and run this again; an agent goes on by itself.`,
    file: config,
    fatal: true,
  }
}

function unreadable(error: ProviderConfigError | UserError, places: readonly ProviderPlace[]): TrustProblem {
  const file = places.at(-1)?.config
  return {
    code: 'PULL_IDENTITY_CONFIG',
    message:
      error instanceof ProviderConfigError
        ? `${file} has been left as it is: ${error.message}`
        : error.message,
    hint: `Take the entry trow-credential-provider out of ${file} by hand, then run this again.`,
    ...(file === undefined ? {} : { file }),
    fatal: true,
  }
}
