import type { PolicyEditAnswer, PolicyObjectName } from '../../policy-store/policy-edits.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import type { Output } from '../result/output.ts'
import { printResult, type Result } from '../result/print-result.ts'
import type { ListEdit, PolicyShape } from './list-edit.ts'
import { policyShapeOf } from './list-edit.ts'
import type { PolicyPlace } from './policy-place.ts'

/** Attempts, because of edits by others meanwhile. */
const attempts = 10

export type EditedList =
  | { readonly kind: 'unchanged'; readonly why: string }
  | { readonly kind: 'changed'; readonly done: string; readonly answer: PolicyEditAnswer }

/**
 * Makes an edit from what is there, and again where somebody else has changed it meanwhile. `fresh` is the policy
 * where there is none; without it there must be one. Throws UserError POLICY_UNKNOWN, and those of `place`.
 */
export async function editPolicy(
  place: PolicyPlace,
  name: string,
  {
    fresh,
    edit,
  }: { readonly fresh: PolicyShape | undefined; readonly edit: (policy: PolicyShape) => ListEdit },
): Promise<EditedList> {
  for (let attempt = 1; ; attempt++) {
    const found = await place.read({ kind: 'TrowPolicy', name })
    const before = found === undefined ? fresh : policyShapeOf(found.document, name)
    if (before === undefined) throw unknownObject({ kind: 'TrowPolicy', name })
    const made = edit(before)
    if (made.kind === 'unchanged') return made
    try {
      const { policy: document, done } = made
      const answer = await place.edit({ kind: 'TrowPolicy', name, document, from: found?.hash ?? null })
      return { kind: 'changed', done, answer }
    } catch (error) {
      const isBehind = error instanceof UserError && error.code === 'POLICY_CONFLICT'
      if (!isBehind || attempt === attempts) throw error
    }
  }
}

export function unknownObject({ kind, name }: PolicyObjectName): UserError {
  return new UserError('POLICY_UNKNOWN', `there is no ${kind} ${name}`, {
    hint: '"trow policy status" lists what there is.',
  })
}

/**
 * Returns what has become of an edit, and sets the exit code: 75 where it is written and not in force. Throws UserError
 * POLICY_INVALID where it was rejected.
 */
export function editResult(
  object: PolicyObjectName,
  answer: PolicyEditAnswer,
  { terminal, finish }: CommandContext,
): Result<'PolicyEdit'> {
  const { kind, name } = object
  if (answer.outcome === 'rejected') {
    for (const { message } of answer.problems) terminal.stderr.write(`${message}\n`)
    throw new UserError('POLICY_INVALID', 'the registry does not take it, and nothing was changed', {
      hint: 'The lines above say why.',
    })
  }
  if (answer.outcome === 'written') finish(exitCode.timedOut)
  return { object: { kind, name }, ...answer }
}

/** What an edit is about, and how it is told. */
export interface ToldEdit {
  readonly object: PolicyObjectName
  /** For people: what it has done. */
  readonly done: string
  readonly output: Output
}

/** Prints what has become of an edit. Exit code and errors are those of `editResult`. */
export async function printEdit(
  { object, done, output }: ToldEdit,
  answer: PolicyEditAnswer,
  context: CommandContext,
): Promise<void> {
  const { terminal } = context
  const result = editResult(object, answer, context)
  if (output !== 'text') return printResult('PolicyEdit', result, output, terminal)
  if (result.outcome === 'in-force') {
    terminal.stdout.write(`${done}: in force at every door (generation ${result.generation})\n`)
    return
  }
  terminal.stdout.write(`${done}: written to ${result.place}, not known to be in force yet\n`)
  for (const { message } of result.problems ?? []) terminal.stderr.write(`  ${message}\n`)
  terminal.stderr.write('"trow policy status" tells when it is.\n')
}
