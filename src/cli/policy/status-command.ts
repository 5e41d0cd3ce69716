import { Command } from 'commander'
import { hasProblems, type Check } from '../../cluster/check.ts'
import { points } from '../../policy/trow-policy.ts'
import type { ObjectStatus, PolicyStatus } from '../../policy-store/policy-status.ts'
import { exitCode } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { lookOf, printTable, type CellRoles, type Look } from '../table.ts'
import { runningText } from '../status/running-text.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printResult, type Result } from '../result/print-result.ts'
import { addPolicyPlace, withPolicies, type PlaceOptions } from './with-policies.ts'

type StatusOptions = PlaceOptions & { readonly output: Output }

export function statusCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('status')
    .description('show which policies and exceptions are in force, and what is wrong with the others')
    .addOption(outputOption(...objectOutputs))
    .addHelpText(
      'after',
      `
Examples:
  trow policy status --data /var/lib/trow
  trow policy status --context production -o json

Exit code 0: all that is there is in force, and changes are seen; 79: something is not.`,
    )
  return addPolicyPlace(command).action(async (options: StatusOptions) => {
    const [status, floor, running] = await withPolicies(options, terminal, async (place) => [
      await place.status(),
      await place.floor(),
      await place.running(),
    ])
    const now = Date.now()
    if (options.output !== 'text')
      await printResult('PolicyStatus', { ...statusJson(status), floor, running }, options.output, terminal)
    else {
      const look = lookOf(terminal.stdout, terminal.env)
      terminal.stdout.write(statusText(status, now, { look, floor }))
      if (running !== undefined) terminal.stdout.write(`\n${runningText(running, now, look)}`)
    }
    const isWell = status.ok && !hasProblems([{ categoryName: 'floor', checks: floor }])
    finish(isWell ? 0 : exitCode.problemsFound)
  })
}

/** Times as ISO 8601. */
function statusJson({ units, ...status }: PolicyStatus): Omit<Result<'PolicyStatus'>, 'floor' | 'running'> {
  return {
    ...status,
    inForceSince: timeText(status.inForceSince),
    lastSync: timeText(status.lastSync),
    units: units.map((unit) => ({
      ...unit,
      objects: unit.objects.map((object) =>
        object.kind === 'TrowException'
          ? { ...object, expires: new Date(object.expires).toISOString() }
          : object,
      ),
    })),
  }
}

/** `floor`: what was found of the floor of a cluster. */
export function statusText(
  status: PolicyStatus,
  now: number,
  { look, floor = [] }: { readonly look?: Look; readonly floor?: readonly Check[] } = {},
): string {
  const { source, generation, inForceSince, lastSync, away, fromDisk, units, notes } = status
  const heard = lastSync === undefined ? 'never' : `${Math.max(0, Math.round((now - lastSync) / 1000))} s ago`
  const since = inForceSince === undefined ? '' : ` since ${timeText(inForceSince)}`
  const objects = units.flatMap((unit) =>
    unit.objects.map((object) => ({ object, isBroken: unit.problems.length > 0 })),
  )
  const lines = [
    `source    ${source}, heard ${heard}`,
    ...(away === undefined ? [] : [`away      ${away}: what is in force stays`]),
    ...(generation === undefined ? [] : [`in force  generation ${generation}${since}`]),
    ...(fromDisk ? ['          as it was last good on disk: the source has not been read yet'] : []),
    ...floor.map(({ description, error, hint }) =>
      error === undefined
        ? `floor     ${description}`
        : `floor     ${error}${hint === undefined ? '' : `. ${hint}`}`,
    ),
    ...notes.map((note) => `note      ${note}`),
  ]
  const problems = units.flatMap(({ name, problems: own }) =>
    own.map(({ place, message }) => `  ${placeText(name, place)}: ${message}`),
  )
  return [
    `${lines.join('\n')}\n`,
    policyTable(objects, look),
    exceptionTable(objects, now, look),
    problems.length === 0 ? '' : `\nnot in force as it stands there:\n${problems.join('\n')}\n`,
  ].join('')
}

interface Listed {
  readonly object: ObjectStatus
  /** The last good version is in force, not the present one. */
  readonly isBroken: boolean
}

function policyTable(listed: readonly Listed[], look: Look | undefined): string {
  const rows = listed.flatMap(({ object, isBroken }) =>
    object.kind === 'TrowPolicy'
      ? [
          [
            object.name,
            modesText(object.modes),
            String(object.rules),
            String(object.denied),
            isBroken ? 'last good' : 'in force',
          ],
        ]
      : [],
  )
  return rows.length === 0
    ? '\nno policies\n'
    : `\n${printTable([['POLICY', 'MODE', 'RULES', 'DENIED', 'STATE'], ...rows], look, policyRoles)}`
}

/** `enforce`, or `audit (pull: warn)`. */
function modesText(modes: Readonly<Record<string, string>>): string {
  const usual = modes['admission'] ?? ''
  const others = points.filter((point) => modes[point] !== usual).map((point) => `${point}: ${modes[point]}`)
  return others.length === 0 ? usual : `${usual} (${others.join(', ')})`
}

function exceptionTable(listed: readonly Listed[], now: number, look: Look | undefined): string {
  const rows = listed.flatMap(({ object }) =>
    object.kind === 'TrowException' ? [exceptionRow(object, now)] : [],
  )
  return rows.length === 0 ? '' : `\n${printTable([exceptionHead, ...rows], look, policyRoles)}`
}

/** `in force` is good; what is not as it was written, or has ended, is not. */
export const policyRoles: CellRoles = {
  STATE: (state) => (state === 'in force' ? 'good' : 'warning'),
}

export const exceptionHead = ['EXCEPTION', 'POLICIES', 'ENDS', 'STATE', 'REASON']

export function exceptionRow(
  exception: Extract<ObjectStatus, { readonly kind: 'TrowException' }>,
  now: number,
): string[] {
  const { name, policies, expires, isLive, reason } = exception
  const days = Math.floor((expires - now) / 86_400_000)
  const left = days < 1 ? 'ends within a day' : `${days} d left`
  return [name, policies.join(','), timeText(expires) ?? '', isLive ? left : 'ended', reason]
}

function placeText(
  unit: string,
  place: { readonly line: number; readonly column: number } | undefined,
): string {
  return place === undefined ? unit : `${unit}:${place.line}:${place.column}`
}

function timeText(time: number | undefined): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString()
}
