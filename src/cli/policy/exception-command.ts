import { Command } from 'commander'
import { apiVersion } from '../../policy/document-schema.ts'
import type { ObjectStatus } from '../../policy-store/policy-status.ts'
import { parseDuration } from '../../settings/quantities.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { lookOf, printTable } from '../table.ts'
import { printEdit, unknownObject } from './edit-policy.ts'
import { parseTarget } from './list-edit.ts'
import { exceptionHead, exceptionRow, policyRoles } from './status-command.ts'
import { listOutputs, objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printList } from '../result/print-result.ts'
import { addPolicyPlace, withPolicies, type PlaceOptions } from './with-policies.ts'
import { examples } from '../help/examples.ts'

export function exceptionCommand(context: CommandContext): Command {
  const command = new Command('exception')
    .description('let images pass that policies refuse, for a reason and a time')
    .addHelpText(...examples('trow exception list', 'trow exception expire jira-4711'))
  for (const child of [addCommand(context), listCommand(context), expireCommand(context)])
    command.addCommand(child)
  return command
}

type AddOptions = PlaceOptions & {
  readonly policy: readonly string[]
  readonly image: readonly string[]
  readonly inNamespace: readonly string[]
  readonly reason: string
  readonly expires: string
  readonly ticket?: string
  readonly overrideDeny?: boolean
  readonly output: Output
}

function addCommand(context: CommandContext): Command {
  const command = new Command('add')
    .description('make an exception')
    .argument('<name>', 'such as jira-4711')
    .requiredOption('--policy <name>', 'a policy whose refusals it lifts; may be repeated', collect)
    .requiredOption('--image <scope|digest>', 'quay.io/legacy/app or sha256:…; may be repeated', collect)
    .requiredOption(
      '--in-namespace <pattern>',
      'the namespaces of pods, with * for a part; "*" also at pushes and pulls; may be repeated',
      collect,
    )
    .requiredOption('--reason <text>', 'why, on one line')
    .requiredOption('--expires <time>', 'when it ends: 7d, 12h, or 2026-12-10T00:00:00Z')
    .option('--ticket <text>', 'where it was agreed')
    .option('--override-deny', 'lift refusals of the deny list as well')
    .addOption(outputOption(...objectOutputs))
    .addHelpText(
      'after',
      `
Examples:
  trow exception add jira-4711 --policy production --image quay.io/legacy/app --in-namespace payments \\
    --reason "vendor hotfix" --expires 7d

Exit code 0: in force at every door; 75: written, and not known to be in force yet.`,
    )
  return addPolicyPlace(command).action(async (name: string, options: AddOptions) => {
    const document = exceptionDocument(name, options, Date.now())
    await withPolicies(options, context.terminal, async (place) => {
      const answer = await place.edit({ kind: 'TrowException', name, document, from: null })
      const done = `exception ${name} until ${document.spec.expires}`
      const object = { kind: 'TrowException', name } as const
      await printEdit({ object, done, output: options.output }, answer, context)
    })
  })
}

function listCommand({ terminal }: CommandContext): Command {
  const command = new Command('list')
    .description('list the exceptions, with when they end')
    .addHelpText(...examples('trow exception list', 'trow exception list --data /var/lib/trow -o json'))
    .addOption(outputOption(...listOutputs))
  return addPolicyPlace(command).action(async (options: PlaceOptions & { readonly output: Output }) => {
    const status = await withPolicies(options, terminal, (place) => place.status())
    const found = status.units.flatMap(({ objects }) => objects).filter(isException)
    const rows = found.toSorted((a, b) => a.expires - b.expires)
    const { output } = options
    if (output !== 'text') {
      const shown = rows.map(({ kind: _kind, ...row }) => ({
        ...row,
        expires: new Date(row.expires).toISOString(),
      }))
      await printList('PolicyExceptionList', shown, { output, terminal, nameOf: ({ name }) => name })
    } else if (rows.length === 0) terminal.stderr.write('there are no exceptions\n')
    else {
      const now = Date.now()
      terminal.stdout.write(
        printTable(
          [exceptionHead, ...rows.map((row) => exceptionRow(row, now))],
          lookOf(terminal.stdout, terminal.env),
          policyRoles,
        ),
      )
    }
  })
}

function expireCommand(context: CommandContext): Command {
  const command = new Command('expire')
    .description('end an exception now; it stays as a record')
    .addHelpText(...examples('trow exception expire jira-4711'))
    .argument('<name>', 'name of the exception')
    .addOption(outputOption(...objectOutputs))
  return addPolicyPlace(command).action(
    async (name: string, options: PlaceOptions & { readonly output: Output }) => {
      await withPolicies(options, context.terminal, async (place) => {
        const object = { kind: 'TrowException', name } as const
        const found = await place.read(object)
        if (found === undefined) throw unknownObject(object)
        const document = withExpiry(found.document, new Date().toISOString())
        const answer = await place.edit({ ...object, document, from: found.hash })
        const done = `exception ${name} has ended`
        await printEdit({ object, done, output: options.output }, answer, context)
      })
    },
  )
}

function exceptionDocument(
  name: string,
  options: AddOptions,
  now: number,
): { readonly spec: { readonly expires: string } } {
  const { policy: policies, image, inNamespace: namespaces, reason, ticket, overrideDeny } = options
  const images = image.map((text) => {
    const { field, text: target } = parseTarget(text)
    return { [field]: target }
  })
  const spec = {
    policies,
    images,
    namespaces,
    reason,
    ...(ticket === undefined ? {} : { ticket }),
    expires: expiryOf(options.expires, now),
    ...(overrideDeny === true ? { overrideDeny } : {}),
  }
  const metadata = { name, creationTimestamp: new Date(now).toISOString() }
  return Object.assign({ apiVersion, kind: 'TrowException', metadata }, { spec })
}

/** Of a Date. */
const latest = 8.64e15

/** Throws UserError TIME_INVALID. */
function expiryOf(text: string, now: number): string {
  const duration = parseDuration(text)
  const time = duration === undefined ? timeOf(text) : now + duration
  if (time > now && time <= latest) return new Date(time).toISOString()
  throw new UserError('TIME_INVALID', `--expires: "${text}" is no time from now on`, {
    hint: 'Write how long (12h, 7d) or a time such as 2026-12-10T00:00:00Z.',
    exitCode: exitCode.usage,
  })
}

function timeOf(text: string): number {
  return /^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:\d{2})$/.test(text) ? Date.parse(text) : Number.NaN
}

/** The rest of the document stays as it is. Throws UserError POLICY_INVALID. */
function withExpiry(document: unknown, expires: string): unknown {
  if (typeof document === 'object' && document !== null && 'spec' in document) {
    const { spec } = document
    if (typeof spec === 'object' && spec !== null) return { ...document, spec: { ...spec, expires } }
  }
  throw new UserError('POLICY_INVALID', 'the exception is not one that a command can edit', {
    hint: '"trow policy status" says what is wrong with it: mend it by hand.',
  })
}

function isException(
  object: ObjectStatus,
): object is Extract<ObjectStatus, { readonly kind: 'TrowException' }> {
  return object.kind === 'TrowException'
}

/** For an option that may be repeated. */
function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}
