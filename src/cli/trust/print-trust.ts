import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff'
import type { MachineFacts, TrustChange, TrustProblem } from '../../trust/node-trust.ts'
import { isForProgram } from '../result/output.ts'
import { printResult } from '../result/print-result.ts'
import type { Terminal } from '../streams.ts'

export interface TrustResult {
  readonly facts: MachineFacts
  readonly changes: readonly TrustChange[]
  readonly problems: readonly TrustProblem[]
  readonly dryRun: boolean
  /** The commands for the user, if trow may not write the files. */
  readonly commands?: string
}

/** Prints the changes on stdout, and what keeps the machine from pulling on stderr. */
export async function printTrust(result: TrustResult, output: string, terminal: Terminal): Promise<void> {
  const { stdout, stderr, exact } = terminal
  const { facts, changes, problems, dryRun, commands } = result
  if (isForProgram(output)) {
    const told = { facts, changes, problems, isDryRun: dryRun, commands }
    return printResult('NodeTrust', told, output, terminal)
  }
  const { name, version } = facts.runtime
  stderr.write(
    `${facts.distribution === 'none' ? 'this machine' : facts.distribution}: ${name} ${version}`.trimEnd() +
      `${facts.folder === undefined ? '' : `, ${facts.folder}`}\n`,
  )
  if (commands !== undefined) stdout.write(`${commands}\n`)
  else if (changes.length === 0) stderr.write('nothing to change\n')
  for (const change of changes)
    if (dryRun) exact.stdout.write(patchOf(change))
    else stdout.write(`${done[change.action]} ${change.path}\n`)
  for (const { code, message, hint, fatal } of problems) {
    stderr.write(`${fatal ? 'problem' : 'note'}: ${message} (${code})\n`)
    if (hint !== undefined) stderr.write(`  ${hint}\n`)
  }
}

const done = { create: 'created', update: 'changed', remove: 'removed' }

/** A unified diff that patch(1) can apply. */
function patchOf({ path, before, after }: TrustChange): string {
  return createTwoFilesPatch(
    before === undefined ? '/dev/null' : path,
    after === undefined ? '/dev/null' : path,
    before ?? '',
    after ?? '',
    undefined,
    undefined,
    { headerOptions: FILE_HEADERS_ONLY },
  )
}
