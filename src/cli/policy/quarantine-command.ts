import { Command } from 'commander'
import type { Digest } from '../../oci/digest.ts'
import type { Coverage } from '../../policy-store/policy-coverage.ts'
import type { PolicyStatus } from '../../policy-store/policy-status.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { addIdentityOptions } from '../login/identity-options.ts'
import { lookOf, noTrunc, printTable } from '../table.ts'
import { coverageText, type Unseen } from './coverage-text.ts'
import { editPolicy, editResult, printEdit, type EditedList } from './edit-policy.ts'
import { denied, denyingPolicy, parseTarget, policyShapeOf, undenied, type Target } from './list-edit.ts'
import { podsText } from './pods-text.ts'
import type { PolicyPlace } from './policy-place.ts'
import { checkQuarantine, quarantinePolicy } from './quarantine-list.ts'
import { listOutputs, outputOption, type Output } from '../result/output.ts'
import { printList, printResult, type Result } from '../result/print-result.ts'
import { addPolicyPlace, withPolicies, type PlaceOptions } from './with-policies.ts'

type QuarantineOptions = PlaceOptions & {
  readonly reason?: string
  readonly fix?: string
  readonly lift?: boolean
  readonly dryRun?: boolean
  readonly trunc: boolean
  readonly output: Output
}

export function quarantineCommand(context: CommandContext): Command {
  const command = new Command('quarantine')
    .description(
      'refuse a digest, and whatever holds it, at every push and pull; without a digest: list what is',
    )
    .argument('[digest]', 'sha256:… of an index, a manifest, a config or a layer')
    .option('--reason <text>', 'why, as whoever is refused reads it')
    .option('--fix <text>', 'what to use instead')
    .option('--lift', 'give it out again')
    .option('--dry-run', 'only tell what it would cover, and who has pulled that')
    .option(...noTrunc)
    .addOption(outputOption(...listOutputs))
    .addHelpText(
      'after',
      `
It is a policy of its own, "quarantine". It covers each manifest with that config or layer, and each index with such a
manifest. The same image pushed again has another digest and is not covered: it is listed. In a cluster the registry's pod
tells this to whoever has ClusterRole trow-auditor.

Examples:
  trow quarantine sha256:0f3a… --reason CVE-2024-3094
  trow quarantine sha256:0f3a… --lift
  trow quarantine

Exit code 0: in force at every door; 75: written, and not known to be in force yet. With --dry-run other than 0: the
registry did not tell.`,
    )
  return addIdentityOptions(addPolicyPlace(command)).action(
    async (text: string | undefined, options: QuarantineOptions) => {
      const digest = text === undefined ? undefined : digestOf(text)
      checkOptions(digest, options)
      await withPolicies(options, context.terminal, async (place) => {
        if (digest === undefined) return await list(place, options, context)
        if (options.dryRun === true) return await foretell(place, digest, options, context)
        if (options.lift === true) return await lift(place, digest, options, context)
        return await quarantine(place, digest, options, context)
      })
    },
  )
}

/** Throws UserError SCOPE_INVALID. */
function digestOf(text: string): Digest {
  const target = parseTarget(text)
  if (target.field === 'digest') return target.text
  throw new UserError('SCOPE_INVALID', `"${text}" is no digest`, {
    hint: 'trow inspect shows digests; "trow policy deny" refuses by scope.',
    exitCode: exitCode.usage,
  })
}

/** Throws UserError OPTION_INVALID. */
function checkOptions(digest: Digest | undefined, options: QuarantineOptions): void {
  const { reason, fix, lift: isLift, dryRun } = options
  const other = isLift === true || dryRun === true
  const problem =
    digest === undefined && (other || (reason ?? fix) !== undefined)
      ? 'there is no digest'
      : isLift === true && dryRun === true
        ? '--lift and --dry-run exclude each other'
        : other && (reason ?? fix) !== undefined
          ? `--reason and --fix say nothing with ${isLift === true ? '--lift' : '--dry-run'}`
          : digest !== undefined && !other && reason === undefined
            ? '--reason is needed: it is what people read who are refused'
            : undefined
  if (problem === undefined) return
  throw new UserError('OPTION_INVALID', problem, {
    hint: 'Write trow quarantine DIGEST --reason TEXT, trow quarantine DIGEST --lift, or trow quarantine.',
    exitCode: exitCode.usage,
  })
}

async function quarantine(
  place: PolicyPlace,
  digest: Digest,
  options: QuarantineOptions,
  context: CommandContext,
): Promise<void> {
  const { reason = '', fix, output } = options
  const edited = await editPolicy(place, quarantinePolicy, {
    fresh: denyingPolicy(quarantinePolicy),
    edit: (policy) => {
      checkQuarantine(policy)
      return denied(policy, targetOf(digest), { reason, fix })
    },
  })
  if (output !== 'text') {
    const outcome = outcomeOf(edited, context)
    const { coverage, running } = await found(place, digest)
    const whole = { digest, ...outcome, coverage, running }
    return printResult('Quarantine', whole, output, context.terminal)
  }
  if (edited.kind === 'unchanged') context.terminal.stdout.write(`${digest} is quarantined already\n`)
  else await printEdit({ object, done: `quarantined ${digest}`, output }, edited.answer, context)
  printLifting(await place.status(), context)
  printFound(await found(place, digest), options, context)
  context.terminal.stdout.write(`\nto lift it: trow quarantine ${digest} --lift\n`)
}

async function lift(
  place: PolicyPlace,
  digest: Digest,
  { output }: QuarantineOptions,
  context: CommandContext,
): Promise<void> {
  const edited = await editPolicy(place, quarantinePolicy, {
    fresh: denyingPolicy(quarantinePolicy),
    edit: (policy) => undenied(policy, targetOf(digest)),
  })
  if (edited.kind === 'unchanged') {
    throw new UserError('NOT_QUARANTINED', `${digest} is not quarantined`, {
      hint: '"trow quarantine" lists what is. Another policy may deny it: "trow policy explain ID" says which.',
    })
  }
  if (output === 'text')
    return printEdit({ object, done: `lifted ${digest}`, output }, edited.answer, context)
  await printResult('Quarantine', { digest, ...outcomeOf(edited, context) }, output, context.terminal)
}

/** What a quarantine would cover. The exit code says where the registry did not tell: nothing else was asked for. */
async function foretell(
  place: PolicyPlace,
  digest: Digest,
  options: QuarantineOptions,
  context: CommandContext,
): Promise<void> {
  const { why, ...told } = await found(place, digest)
  if (options.output === 'text') printFound(told, options, context)
  else await printResult('Quarantine', { digest, ...told }, options.output, context.terminal)
  if (why !== undefined) context.finish(why.exitCode)
}

async function list(
  place: PolicyPlace,
  options: QuarantineOptions,
  { terminal }: CommandContext,
): Promise<void> {
  const { output } = options
  const found = await place.read({ kind: 'TrowPolicy', name: quarantinePolicy })
  const policy = found === undefined ? undefined : policyShapeOf(found.document, quarantinePolicy)
  if (policy !== undefined) checkQuarantine(policy)
  const entries = policy?.spec.deny ?? []
  if (output !== 'text') {
    const items = entries.map(({ digest, scope, reason, fix }) => ({ digest, scope, reason, fix }))
    const nameOf = ({ digest, scope }: Result<'QuarantinedDigest'>): string => digest ?? scope ?? ''
    await printList('QuarantinedDigestList', items, { output, terminal, nameOf })
  } else if (entries.length === 0) terminal.stderr.write('nothing is quarantined\n')
  else {
    const rows = entries.map(({ digest, scope, reason = '', fix = '' }) => [
      digest ?? scope ?? '',
      reason,
      fix,
    ])
    terminal.stdout.write(
      printTable([['DIGEST', 'REASON', 'FIX'], ...rows], lookOf(terminal.stdout, terminal.env, options)),
    )
  }
}

const object = { kind: 'TrowPolicy', name: quarantinePolicy } as const

/** Throws UserError POLICY_INVALID where it was rejected. */
function outcomeOf(edited: EditedList, context: CommandContext): Omit<Result<'PolicyEdit'>, 'object'> {
  if (edited.kind === 'unchanged') return { outcome: 'unchanged' }
  const { object: _object, ...outcome } = editResult(object, edited.answer, context)
  return outcome
}

interface Found {
  readonly coverage: Coverage | Unseen
  readonly running: Awaited<ReturnType<PolicyPlace['podsRunning']>>
  /** Why the registry did not tell. */
  readonly why: UserError | undefined
}

/** What a quarantine covers, as far as the registry and the cluster tell. */
async function found(place: PolicyPlace, digest: Digest): Promise<Found> {
  const covered = await place.coverage(digest).catch((error: unknown) => {
    if (error instanceof UserError) return error
    throw error
  })
  const running = await place.podsRunning(digest)
  if (!(covered instanceof UserError)) return { coverage: covered, running, why: undefined }
  return { coverage: { unseen: covered.message, fix: covered.hint }, running, why: covered }
}

function printFound(
  { coverage, running }: Omit<Found, 'why'>,
  { trunc }: Pick<QuarantineOptions, 'trunc'>,
  { terminal }: CommandContext,
): void {
  const look = lookOf(terminal.stdout, terminal.env, { trunc })
  terminal.stdout.write(coverageText(coverage, look))
  if (running !== undefined) terminal.stdout.write(podsText(running, look))
}

/** Exceptions of the quarantine let through what they name. */
function printLifting({ units }: PolicyStatus, { terminal }: CommandContext): void {
  for (const object of units.flatMap(({ objects }) => objects)) {
    if (object.kind !== 'TrowException' || !object.isLive || !object.policies.includes(quarantinePolicy))
      continue
    terminal.stderr.write(
      `note: exception ${object.name} is for policy ${quarantinePolicy}, and may let it through: trow exception list\n`,
    )
  }
}

function targetOf(text: Digest): Target {
  return { field: 'digest', text }
}
