import { isDigest, type Digest } from '../oci/digest.ts'
import { isRepositoryName, repositoryNameLimit, type RepositoryName } from '../oci/repository-name.ts'
import { isTag, type Reference } from '../oci/tag.ts'
import { canonicalHost, type HostProblemCode, type HostResult } from './host-name.ts'
import { shown } from './shown.ts'

/**
 * The registry itself in canonical names, whatever host a client used. It is not a valid host, so no image
 * name can contain it.
 */
export const ownRegistry = '@trow'

/** An image's name in its canonical spelling. */
export interface ImageReference {
  readonly kind: 'reference'
  /** The canonical host with its port; `@trow` for the registry's own content. */
  readonly host: string
  readonly path: string
  /**
   * Undefined where there is a digest, because runtimes then ignore the tag; also where the reference names a
   * whole repository.
   */
  readonly tag: string | undefined
  readonly digest: Digest | undefined
  /** A tag written beside a digest, for display only. */
  readonly shadowTag: string | undefined
  /** The canonical host, if the name was written with another spelling. */
  readonly hostToWrite: string | undefined
  /** True for another registry's content, requested from this registry below `f/`. */
  readonly proxied: boolean
}

export type ReferenceProblemCode =
  | HostProblemCode
  | 'REF_EMPTY'
  | 'REF_LONG'
  | 'REF_SYNTAX'
  | 'REF_SHORT'
  | 'REF_ID'
  | 'REF_PROXY'
  | 'REF_LOOP'
  | 'REF_DIGEST'

export interface ReferenceProblem {
  readonly kind: 'problem'
  readonly code: ReferenceProblemCode
  readonly message: string
}

export interface NameSettings {
  /** Every canonical host, with its port, under which clients reach this registry. */
  readonly ownHosts: ReadonlySet<string>
  /** The registry of a name without a host. `deny`: such a name is refused. */
  readonly shortNames: 'docker.io' | 'deny'
}

const referenceLimit = 512
const imageId = /^[0-9a-f]{64}$/
/**
 * Before a colon these make an image's id, or the start of one, not a name: containerd takes any image that
 * matches.
 */
const digestAlgorithms: ReadonlySet<string> = new Set(['sha256', 'sha384', 'sha512', 'blake3'])

/**
 * Returns the canonical form of a name as it is written in pods, policies and commands. The grammar is that
 * of distribution's reference package, narrowed to names that mean the same to every client. Accepts any
 * value, never throws, and takes time linear in the text.
 */
export function parseImageReference(
  text: unknown,
  settings: NameSettings,
): ImageReference | ReferenceProblem {
  if (typeof text !== 'string' || text === '') return problem('REF_EMPTY', 'there is no image name')
  if (text.length > referenceLimit)
    return problem('REF_LONG', `an image name has at most ${referenceLimit} characters`)
  const [name, digest] = cut(text, text.lastIndexOf('@'))
  const [component, below] = cut(name, name.indexOf('/'))
  const written = below === undefined ? undefined : writtenHost(component)
  const rest = written === undefined || below === undefined ? name : below
  const [path, tag] = cut(rest, rest.indexOf(':'))
  if (path.length > repositoryNameLimit)
    return problem('REF_LONG', `a repository's name has at most ${repositoryNameLimit} characters`)
  if (!isRepositoryName(path) || (tag !== undefined && !isTag(tag)) || digest === '')
    return problem('REF_SYNTAX', `${shown(text)} is not written like HOST/PATH:TAG or HOST/PATH@DIGEST`)
  const place =
    written === undefined ? placeOfShort(path, settings) : placeOf({ component, written, path }, settings)
  if (place.kind === 'problem') return place
  if (digest !== undefined && !isImageDigest(digest))
    return problem('REF_DIGEST', `${shown(digest)} is not sha256: and 64 lower-case hexadecimal digits`)
  return whole({ ...place, tag, digest: digest as Digest | undefined })
}

/**
 * The canonical form of a request to one of the registry's own repositories; without a reference, of the
 * repository itself.
 */
export function ownImage(
  repository: RepositoryName,
  reference: Reference | undefined,
  settings: NameSettings,
): ImageReference | ReferenceProblem {
  const place = unwrapped(repository, undefined, settings)
  if (place.kind === 'problem') return place
  if (reference === undefined) return bare(place)
  return isDigest(reference)
    ? whole({ ...place, tag: undefined, digest: reference })
    : whole({ ...place, tag: reference, digest: undefined })
}

/**
 * For example `ghcr.io/acme/app:1.4`, `ghcr.io/acme/app@sha256:…` or `@trow/prod/app:latest`;
 * `@trow/prod/app` for a repository.
 */
export function printReference(reference: ImageReference): string {
  const { host, path, tag, digest } = reference
  if (digest !== undefined) return `${host}/${path}@${digest}`
  return tag === undefined ? `${host}/${path}` : `${host}/${path}:${tag}`
}

/** Only sha256: a second algorithm would give the same bytes a second name. */
function isImageDigest(text: string): text is Digest {
  return text.startsWith('sha256:') && isDigest(text)
}

interface Place {
  readonly kind: 'place'
  readonly host: string
  readonly path: string
  readonly hostToWrite: string | undefined
  readonly proxied: boolean
}

/** Splits the text around the character at `at`; for a negative `at` the second part is undefined. */
function cut(text: string, at: number): readonly [before: string, behind: string | undefined] {
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

/**
 * Docker's rule for the first component: it is a host if it contains a dot, colon, bracket or capital, or is
 * `localhost`. If it is not in the form of a host, it belongs to the path.
 */
function writtenHost(component: string): HostResult | undefined {
  return /[.:[A-Z]/.test(component) || component === 'localhost' ? canonicalHost(component) : undefined
}

function placeOfShort(path: string, { shortNames }: NameSettings): Place | ReferenceProblem {
  if (imageId.test(path) || digestAlgorithms.has(path))
    return problem(
      'REF_ID',
      'it is read as the id of an image, or the beginning of one, and not as a name: write HOST/PATH',
    )
  const full = inDockerHub(path)
  if (shortNames === 'deny') return problem('REF_SHORT', `a name needs its host: write docker.io/${full}`)
  return { kind: 'place', host: 'docker.io', path: full, hostToWrite: undefined, proxied: false }
}

function placeOf(
  name: { readonly component: string; readonly written: HostResult; readonly path: string },
  settings: NameSettings,
): Place | ReferenceProblem {
  const { component, written, path } = name
  if (written.kind === 'problem') return problem(written.code, written.message)
  const { host } = written
  const hostToWrite = component === host ? undefined : host
  if (settings.ownHosts.has(host)) return unwrapped(path, hostToWrite, settings)
  return {
    kind: 'place',
    host,
    path: host === 'docker.io' ? inDockerHub(path) : path,
    hostToWrite,
    proxied: false,
  }
}

/**
 * A path of this registry: its own content, or, below `f/`, content of another registry, which keeps that
 * registry's name.
 */
function unwrapped(
  path: string,
  hostToWrite: string | undefined,
  settings: NameSettings,
): Place | ReferenceProblem {
  if (path !== 'f' && !path.startsWith('f/'))
    return { kind: 'place', host: ownRegistry, path, hostToWrite, proxied: false }
  const [, upstream, ...rest] = path.split('/')
  const result = upstream === undefined ? undefined : canonicalHost(upstream)
  if (result?.kind !== 'host' || rest.length === 0)
    return problem('REF_PROXY', `below f/ there must be a registry's host and a path: f/ghcr.io/acme/app`)
  const { host } = result
  if (settings.ownHosts.has(host)) return problem('REF_LOOP', `f/${host} is this registry itself`)
  const inside = rest.join('/')
  return {
    kind: 'place',
    host,
    path: host === 'docker.io' ? inDockerHub(inside) : inside,
    hostToWrite,
    proxied: true,
  }
}

function inDockerHub(path: string): string {
  return path.includes('/') ? path : `library/${path}`
}

function bare({ host, path, hostToWrite, proxied }: Place): ImageReference {
  const none = { tag: undefined, digest: undefined, shadowTag: undefined }
  return { kind: 'reference', host, path, hostToWrite, proxied, ...none }
}

function whole(
  parts: Place & { readonly tag: string | undefined; readonly digest: Digest | undefined },
): ImageReference | ReferenceProblem {
  const { host, path, tag, digest, hostToWrite, proxied } = parts
  const reference: ImageReference = {
    kind: 'reference',
    host,
    path,
    tag: digest === undefined ? (tag ?? 'latest') : undefined,
    digest,
    shadowTag: digest === undefined ? undefined : tag,
    hostToWrite,
    proxied,
  }
  // The canonical name must itself be a valid name.
  const suffix = reference.digest ?? reference.tag ?? ''
  // As long as what `printReference` makes of it, which each push would wait for.
  const length = host.length + 1 + path.length + 1 + suffix.length
  if (path.length > repositoryNameLimit || length > referenceLimit)
    return problem('REF_LONG', 'with its host and tag the name is too long')
  return reference
}

function problem(code: ReferenceProblemCode, message: string): ReferenceProblem {
  return { kind: 'problem', code, message }
}
