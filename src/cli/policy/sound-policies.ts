import type { PolicyDocuments } from '../../policy/policy-documents.ts'
import { UserError } from '../../user-error.ts'
import { problemLine, readPolicyFiles } from './policy-files.ts'

/**
 * Policies that load as a whole: with a part missing they would give answers that nobody wrote. Prints each problem and throws
 * UserError POLICY_INVALID.
 */
export function readSoundPolicies(
  paths: readonly string[],
  settings: { readonly ownHosts: ReadonlySet<string>; readonly now: number },
  print: (line: string) => void,
): PolicyDocuments {
  const { documents, problems } = readPolicyFiles(paths, settings)
  if (problems.length === 0) return documents
  for (const problem of problems) print(problemLine(problem, 'error'))
  throw new UserError('POLICY_INVALID', 'the policies do not load', {
    hint: '"trow policy lint" checks them.',
  })
}
