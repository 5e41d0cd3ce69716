import { OciError } from '../oci/oci-error.ts'
import { parseRepositoryName, type RepositoryName } from '../oci/repository-name.ts'
import { parseTag, type Tag } from '../oci/tag.ts'
import { exitCode, UserError } from '../user-error.ts'

export interface TargetName {
  readonly repository: RepositoryName
  readonly tag: Tag
}

/**
 * Returns the repository and tag for an image. A `given` name is used as it is, without the registry's own
 * host. Otherwise the image's own name is used without its registry, below `namespace` unless it begins with
 * that. Throws UserError REFERENCE_INVALID.
 */
export function targetName(
  given: string | undefined,
  image: string | undefined,
  { namespace, hosts }: { readonly namespace: string | undefined; readonly hosts: readonly string[] },
): TargetName {
  if (given !== undefined) {
    const host = hosts.find((each) => given.startsWith(`${each}/`))
    return parse(given, host === undefined ? given : given.slice(host.length + 1))
  }
  if (image === undefined) {
    throw new UserError('REFERENCE_INVALID', 'the archive does not say what its image is called', {
      hint: 'Name it: trow push FILE team/app:1',
      exitCode: exitCode.usage,
    })
  }
  const [first = '', ...rest] = image.replace(/@.*$/, '').split('/')
  const isHost = rest.length > 0 && /[.:]|^localhost$/.test(first)
  const path = (isHost ? rest : [first, ...rest]).join('/').replace(/^library\//, '')
  const below = namespace === undefined || path.startsWith(`${namespace}/`) ? '' : `${namespace}/`
  return parse(image, `${below}${path}`)
}

function parse(given: string, path: string): TargetName {
  const colon = path.lastIndexOf(':')
  const tagged = colon > path.lastIndexOf('/')
  try {
    return {
      repository: parseRepositoryName(tagged ? path.slice(0, colon) : path),
      tag: parseTag(tagged ? path.slice(colon + 1) : 'latest'),
    }
  } catch (cause) {
    if (!(cause instanceof OciError)) throw cause
    throw new UserError('REFERENCE_INVALID', `"${given}" is no name for an image: ${cause.message}`, {
      hint: 'Write NAMESPACE/NAME:TAG in small letters.',
      cause,
      exitCode: exitCode.usage,
    })
  }
}
