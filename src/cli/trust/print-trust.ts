import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff'
import type { NodeFacts, TrustChange, TrustProblem } from '../../trust/node-trust.ts'
import type { Terminal } from '../streams.ts'

export interface TrustResult {
  readonly facts: NodeFacts
  readonly changes: readonly TrustChange[]
  readonly problems: readonly TrustProblem[]
  readonly dryRun: boolean
  /** What a person has to run, where trow may write nothing. */
  readonly commands?: string
}

/** What was done to a machine on stdout, what keeps it from working on stderr. */
export function printTrust(result: TrustResult, output: string, { stdout, stderr, exact }: Terminal): void {
  const { facts, changes, problems, dryRun, commands } = result
  if (output === 'json') {
    exact.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`)
    return
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

/** A unified diff, as patch(1) reads it. */
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
