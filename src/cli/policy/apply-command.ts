import { Command } from 'commander'
import { loadSoundPolicies } from '../../policy-store/load-files.ts'
import type { PolicyEdit } from '../../policy-store/policy-edits.ts'
import { readPolicyFiles } from '../../policy-store/policy-files.ts'
import { UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { editResult, printEdit } from './edit-policy.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printResult, type Result } from '../result/print-result.ts'
import { addPolicyPlace, withPolicies, type PlaceOptions } from './with-policies.ts'

type ApplyOptions = PlaceOptions & { readonly output: Output }

export function applyCommand(context: CommandContext): Command {
  const { terminal } = context
  const command = new Command('apply')
    .description('make or replace the policies and exceptions of files')
    .argument('<files...>', 'files with TrowPolicy and TrowException, or folders of them')
    .addOption(outputOption(...objectOutputs))
    .addHelpText(
      'after',
      `
Every file is checked before anything is written; policies come before exceptions. What no file has stays.

Examples:
  trow policy apply policies/ --data /var/lib/trow
  trow policy apply production.yaml --context production

Exit code 0: in force at every door; 75: written, and not known to be in force yet.`,
    )
  return addPolicyPlace(command).action(async (files: readonly string[], options: ApplyOptions) => {
    const edits = editsOf(files, (line) => void terminal.stderr.write(`${line}\n`))
    await withPolicies(options, terminal, async (place) => {
      const done: Result<'PolicyEdit'>[] = []
      for (const edit of edits) {
        const answer = await place.edit(edit)
        const { output } = options
        if (output === 'text')
          await printEdit({ object: edit, done: `${edit.kind} ${edit.name}`, output }, answer, context)
        else done.push(editResult(edit, answer, context))
      }
      if (options.output !== 'text')
        await printResult('PolicyEditList', { items: done }, options.output, terminal)
    })
  })
}

/** Throws UserError POLICY_UNREADABLE, POLICY_INVALID. */
function editsOf(files: readonly string[], print: (line: string) => void): readonly PolicyEdit[] {
  // The registry knows its own hosts and its limits for exceptions, and looks again.
  const limits = {
    ownHosts: new Set<string>(),
    now: Date.now(),
    longestException: Infinity,
    requireTicket: false,
  }
  const { policies, exceptions } = loadSoundPolicies(files, limits, print)
  if (policies.length + exceptions.length === 0) {
    throw new UserError('POLICY_INVALID', 'the files hold no policy and no exception')
  }
  const documents = readPolicyFiles(files).flatMap((file) => file.documents.map(({ value }) => value))
  const documentOf = (kind: string, name: string): unknown =>
    documents.find((value) => isNamed(value, kind, name))
  return [
    ...policies.map(({ name }) => ({ kind: 'TrowPolicy' as const, name })),
    ...exceptions.map(({ name }) => ({ kind: 'TrowException' as const, name })),
  ].map((object) => ({ ...object, document: documentOf(object.kind, object.name) }))
}

function isNamed(value: unknown, kind: string, name: string): boolean {
  if (typeof value !== 'object' || value === null || !('kind' in value) || !('metadata' in value))
    return false
  const { metadata } = value
  const isObject = typeof metadata === 'object' && metadata !== null && 'name' in metadata
  return value.kind === kind && isObject && metadata.name === name
}
