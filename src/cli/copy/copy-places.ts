import { isDigest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Reference, Tag } from '../../oci/tag.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { needReference } from '../registry/need-reference.ts'
import type { Terminal } from '../streams.ts'
import { withoutCluster, type RegistryAddress } from '../way/address.ts'
import type { RegistryOptions } from '../way/connect-options.ts'
import { parseImageName, splitImageName, type NamedTarget } from '../way/named-target.ts'

export interface CopyOptions extends RegistryOptions {
  readonly srcCa?: string
  readonly srcPlainHttp?: boolean
}

/** One end of a copy. */
export interface CopyPlace {
  /** `undefined`: the registry in the cluster, else the one of this machine. */
  readonly registry: RegistryAddress | undefined
  readonly repository: RepositoryName
  /** What is needed to reach it. */
  readonly options: RegistryOptions
}

export interface CopyPlaces {
  readonly source: CopyPlace & { readonly reference: Reference }
  readonly target: CopyPlace & { readonly tag: Tag | undefined }
  readonly isOneRegistry: boolean
}

/** Throws UserError REFERENCE_INVALID, HOST_INVALID, OPTIONS_CONFLICT. */
export function copyPlaces(
  source: string,
  target: string,
  options: CopyOptions,
  terminal: Pick<Terminal, 'env'>,
): CopyPlaces {
  const { srcCa, srcPlainHttp, ...shared } = options
  const areBothNamed = [source, target].every((each) => splitImageName(each).host !== undefined)
  // A flag that names a registry or a cluster is for the name without a host.
  const optionsFor = (given: string): RegistryOptions => {
    if (areBothNamed || splitImageName(given).host === undefined) return shared
    const { registry: _, ...others } = withoutCluster(shared)
    return others
  }
  const from = parseImageName(source, optionsFor(source), terminal)
  const to = parseImageName(target, optionsFor(target), terminal)
  const { reference, repository } = needReference(source, from, 'latest')
  const { repository: targetRepository } = needReference(target, to, 'latest')
  if (to.reference !== undefined && isDigest(to.reference)) {
    throw invalid(`"${target}" names a digest, which is that of the source`, 'Write a tag, or none.')
  }
  const isOneRegistry = isSame(from, to)
  if ((isOneRegistry || from.registry === undefined) && (srcCa ?? srcPlainHttp) !== undefined) {
    const message = `"${source}" names no host, for which --src-ca and --src-plain-http are`
    throw invalid(message, 'They are for a SOURCE in another registry than TARGET: HOST:PORT/REPOSITORY:TAG.')
  }
  const { ca: _, plainHttp: __, username: ___, passwordStdin: ____, ...others } = optionsFor(source)
  const sourceOptions = {
    ...others,
    ...(srcCa === undefined ? {} : { ca: srcCa }),
    ...(srcPlainHttp === undefined ? {} : { plainHttp: srcPlainHttp }),
  }
  const tag = to.reference ?? (isDigest(reference) ? undefined : reference)
  return {
    source: { registry: from.registry, repository, reference, options: sourceOptions },
    target: { registry: to.registry, repository: targetRepository, tag, options: optionsFor(target) },
    isOneRegistry,
  }
}

function isSame({ registry: one }: NamedTarget, { registry: other }: NamedTarget): boolean {
  return one?.host === other?.host
}

function invalid(message: string, hint: string): UserError {
  return new UserError('REFERENCE_INVALID', message, { hint, exitCode: exitCode.usage })
}
