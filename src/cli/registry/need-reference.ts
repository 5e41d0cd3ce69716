import type { RepositoryName } from '../../oci/repository-name.ts'
import { parseTag, type Reference } from '../../oci/tag.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { Named } from './target.ts'

/** Throws UserError REFERENCE_INVALID where no repository, or without `initial` no tag or digest, is named. */
export function needReference(
  given: string,
  { repository, reference }: Named,
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
