import type { RepositoryName } from '../../oci/repository-name.ts'
import { parseTag, type Reference } from '../../oci/tag.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { NamedTarget } from '../way/named-target.ts'

/**
 * Throws UserError REFERENCE_INVALID if no repository is named, or no tag or digest and there is no
 * `initial`.
 */
export function needReference(
  given: string,
  { repository, reference }: NamedTarget,
  initial?: string,
): { readonly repository: RepositoryName; readonly reference: Reference } {
  const found = reference ?? (initial === undefined ? undefined : parseTag(initial))
  if (repository !== undefined && found !== undefined) return { repository, reference: found }
  throw new UserError(
    'REFERENCE_INVALID',
    `"${given}" names no ${repository === undefined ? 'repository' : 'tag or digest'}`,
    {
      hint: 'Write HOST:PORT/REPOSITORY:TAG or HOST:PORT/REPOSITORY@DIGEST.',
      exitCode: exitCode.usage,
    },
  )
}
