import { OciError } from './oci-error.ts'

declare const brand: unique symbol

/** A repository's `<name>`, checked: distribution-spec, "Pulling manifests"; at most 255 characters. */
export type RepositoryName = string & { readonly [brand]: 'RepositoryName' }

const pattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/

export const repositoryNameLimit = 255

export function isRepositoryName(text: string): text is RepositoryName {
  return text.length <= repositoryNameLimit && pattern.test(text)
}

/** Throws OciError NAME_INVALID. */
export function parseRepositoryName(text: string): RepositoryName {
  if (isRepositoryName(text)) return text
  throw new OciError('NAME_INVALID', 'the repository name is not valid', {
    detail:
      text.length > repositoryNameLimit
        ? `a repository name has at most ${repositoryNameLimit} characters, this one has ${text.length}`
        : `"${text}": a repository name is lowercase letters and digits, with single . or _, __ or dashes between them, in segments separated by /`,
  })
}
