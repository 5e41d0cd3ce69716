import { counted } from '../../counted.ts'
import { Command } from 'commander'
import type { ObjectStatus } from '../../policy-store/policy-status.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { editPolicy, printEdit } from './edit-policy.ts'
import { allowed, denied, denyingPolicy, parseTarget } from './list-edit.ts'
import type { PolicyPlace } from './policy-place.ts'
import { quarantinePolicy } from './quarantine-list.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printResult } from '../result/print-result.ts'
import { addPolicyPlace, withPolicies, type PlaceOptions } from './with-policies.ts'

type ListOptions = PlaceOptions & {
  readonly policy?: string
  readonly reason?: string
  readonly fix?: string
  readonly output: Output
}

/** The policy that a denial is put in where there is none. */
const ownPolicy = 'deny-list'

export function denyCommand(context: CommandContext): Command {
  const command = new Command('deny')
    .description('put a scope or a digest on the deny list of a policy')
    .argument('<scope|digest>', 'docker.io/bitnami, @trow/prod, *.example.com, or sha256:…')
    .requiredOption('--reason <text>', 'why, as whoever is refused reads it')
    .option('--fix <text>', 'what to use instead')
    .option('--policy <name>', 'name of the policy, made where it is new; needed where there are several')
    .addOption(outputOption(...objectOutputs))
    .addHelpText(
      'after',
      `
Examples:
  trow policy deny docker.io/bitnami --reason "the catalogue moved" --fix "use @trow/bitnami"
  trow policy deny sha256:0f3a… --policy production --reason CVE-2024-3094

Exit code 0: in force at every door; 75: written, and not known to be in force yet.`,
    )
  return addPolicyPlace(command).action(async (text: string, options: ListOptions) => {
    const target = parseTarget(text)
    const { reason = '', fix } = options
    await withPolicies(options, context.terminal, async (place) => {
      const name = await chosenPolicy(place, options.policy, ownPolicy)
      const done = await editPolicy(place, name, {
        fresh: denyingPolicy(name),
        edit: (policy) => denied(policy, target, { reason, fix }),
      })
      await report({ name, output: options.output }, done, place, context)
    })
  })
}

export function allowCommand(context: CommandContext): Command {
  const command = new Command('allow')
    .description('take a scope or a digest off the deny list of a policy; allow a scope by its name')
    .argument('<scope|digest>', 'docker.io/library, @trow/prod, *.example.com, or sha256:…')
    .option('--policy <name>', 'name of the policy; needed where there are several')
    .addOption(outputOption(...objectOutputs))
    .addHelpText(
      'after',
      `
Examples:
  trow policy allow docker.io/library --policy production
  trow policy allow sha256:0f3a…

The change is in the audit log with who made it; a rule has no field for a reason. What a policy requires of a
scope stays: only names that no rule covers get one. For one image and a time: trow exception add.

Exit code 0: in force at every door; 75: written, and not known to be in force yet.`,
    )
  return addPolicyPlace(command).action(async (text: string, options: ListOptions) => {
    const target = parseTarget(text)
    await withPolicies(options, context.terminal, async (place) => {
      const name = await chosenPolicy(place, options.policy, undefined)
      const edit = {
        fresh: undefined,
        edit: (policy: Parameters<typeof allowed>[0]) => allowed(policy, target, name),
      }
      await report({ name, output: options.output }, await editPolicy(place, name, edit), place, context)
    })
  })
}

/** Throws UserError POLICY_AMBIGUOUS, POLICY_UNKNOWN. */
async function chosenPolicy(
  place: PolicyPlace,
  given: string | undefined,
  fallback: string | undefined,
): Promise<string> {
  if (given !== undefined) return given
  const names = (await objectsOf(place))
    .filter(({ kind, name }) => kind === 'TrowPolicy' && name !== quarantinePolicy)
    .map(({ name }) => name)
  const [only = fallback] = names
  if (names.length > 1) {
    throw new UserError(
      'POLICY_AMBIGUOUS',
      `there are ${counted(names.length, 'policy', 'policies')}: ${names.slice(0, 10).join(', ')}`,
      {
        hint: 'Name one with --policy.',
        exitCode: exitCode.usage,
      },
    )
  }
  if (only !== undefined) return only
  throw new UserError('POLICY_UNKNOWN', 'there is no policy', {
    hint: '"trow policy apply FILE" makes one.',
  })
}

async function report(
  { name, output }: { readonly name: string; readonly output: Output },
  edited: Awaited<ReturnType<typeof editPolicy>>,
  place: PolicyPlace,
  context: CommandContext,
): Promise<void> {
  const object = { kind: 'TrowPolicy', name } as const
  if (edited.kind === 'unchanged') {
    if (output !== 'text')
      return printResult('PolicyEdit', { object, outcome: 'unchanged' }, output, context.terminal)
    context.terminal.stdout.write(`policy ${name} ${edited.why}\n`)
    return
  }
  await printEdit({ object, done: `policy ${name} ${edited.done}`, output }, edited.answer, context)
  const policy = (await objectsOf(place)).find((each) => each.kind === 'TrowPolicy' && each.name === name)
  if (policy?.kind !== 'TrowPolicy' || policy.modes['pull'] === 'enforce') return
  context.terminal.stderr.write(
    `note: policy ${name} is in mode "${policy.modes['pull']}" at pulls, and refuses none\n`,
  )
}

async function objectsOf(place: PolicyPlace): Promise<readonly ObjectStatus[]> {
  return (await place.status()).units.flatMap(({ objects }) => objects)
}
