import { parseDigest } from '../oci/digest.ts'
import { OciError } from '../oci/oci-error.ts'
import { parseRepositoryName } from '../oci/repository-name.ts'
import { parseReference } from '../oci/tag.ts'
import { HttpRefusal } from './http-refusal.ts'
import type { GivenValues, PathValues, Route } from './route.ts'

/** A path of the route table with its methods. */
export interface Endpoint {
  readonly path: string
  /** Small and stable while the server lives: an index for counters. */
  readonly index: number
  readonly methods: ReadonlyMap<string, Route>
  /** For the Allow header. */
  readonly allow: string
  /** Names of the captured values, from right to left; `name` is the last. */
  readonly captures: readonly (keyof PathValues)[]
}

/** A path with its endpoint; the values are checked once, when they are first needed. */
export interface PathMatch {
  readonly endpoint: Endpoint
  /** As written in the path, from right to left. */
  readonly captured: readonly string[]
  values: GivenValues | undefined
}

interface RouteNode {
  readonly literals: Map<string, RouteNode>
  wildcard: RouteNode | undefined
  endpoint: Endpoint | undefined
}

const prefix = '/v2/'
/** Paths in one generation of the cache; it has two generations. */
const rememberedPaths = 2048
const longestRemembered = 500

/**
 * Finds the endpoint of a path. Repository names contain slashes and may contain segments such as `blobs` or
 * `manifests`, so a path is read from its right end; what remains on the left is the name.
 */
export class Router {
  readonly endpoints: readonly Endpoint[]
  readonly #fixed = new Map<string, Endpoint>()
  readonly #root: RouteNode = newNode()
  // A cache of two generations: clients request the same paths again and again.
  #young = new Map<string, PathMatch>()
  #old = new Map<string, PathMatch>()

  /** Throws TypeError for a path with `<…>` outside `/v2/<name>/`, where it would be matched literally. */
  constructor(routes: readonly Route[]) {
    const paths = Map.groupBy(routes, (each) => each.path)
    this.endpoints = [...paths].map(([path, group], index) => this.#add(path, index, group))
  }

  /** Undefined: no such path. */
  find(path: string): PathMatch | undefined {
    let match = this.#young.get(path)
    if (match !== undefined) return match
    match = this.#old.get(path) ?? this.#look(path)
    if (
      match !== undefined &&
      path.length <= longestRemembered &&
      !match.endpoint.captures.includes('upload')
    ) {
      this.#cache(path, match)
    }
    return match
  }

  #look(path: string): PathMatch | undefined {
    const captured: string[] = []
    const endpoint =
      this.#fixed.get(path) ??
      (path.startsWith(prefix) ? walk(this.#root, path, path.length, captured) : undefined)
    return endpoint && { endpoint, captured, values: undefined }
  }

  #cache(path: string, match: PathMatch): void {
    if (this.#young.size >= rememberedPaths) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(path, match)
  }

  #add(path: string, index: number, routes: readonly Route[]): Endpoint {
    const methods = new Map(routes.flatMap((each) => each.methods.map((method) => [method, each] as const)))
    const isPattern = path.startsWith(`${prefix}<name>/`)
    if (!isPattern && path.includes('<'))
      throw new TypeError(`values stand only behind ${prefix}<name>/: ${path}`)
    const segments = isPattern ? path.slice(prefix.length).split('/').slice(1) : []
    const values = segments.filter(isCapture).map((segment) => segment.slice(1, -1) as keyof PathValues)
    const endpoint: Endpoint = {
      path,
      index,
      methods,
      allow: [...methods.keys()].join(', '),
      captures: segments.length === 0 ? [] : [...values.reverse(), 'name'],
    }
    if (segments.length === 0) this.#fixed.set(path, endpoint)
    else insert(this.#root, segments).endpoint = endpoint
    return endpoint
  }
}

/**
 * The validated values of a path. Throws OciError NAME_INVALID, DIGEST_INVALID, TAG_INVALID or
 * BLOB_UPLOAD_UNKNOWN. A DELETE of a malformed digest or reference answers "unknown": such content cannot
 * exist.
 */
export function pathValues(match: PathMatch, method: string): GivenValues {
  return (match.values ??= parsePathValues(match, method))
}

function parsePathValues({ endpoint, captured }: PathMatch, method: string): GivenValues {
  const values: Record<string, string> = {}
  const { captures } = endpoint
  for (let index = captures.length - 1; index >= 0; index--) {
    const name = captures[index]!
    const text = captured[index]!
    try {
      values[name] = parsers[name](text.includes('%') ? decode(name, text) : text)
    } catch (error) {
      throw method === 'DELETE' && error instanceof OciError ? asUnknown(name, error) : error
    }
  }
  // Each value was made by the parser of its name.
  return values as GivenValues
}

const uploadId = /^[A-Za-z0-9-]{1,128}$/

const parsers: { readonly [Name in keyof PathValues]: (text: string) => PathValues[Name] } = {
  name: parseRepositoryName,
  digest: parseDigest,
  reference: parseReference,
  upload: (text) => {
    if (uploadId.test(text)) return text
    throw new OciError('BLOB_UPLOAD_UNKNOWN', 'the upload is not known', {
      detail: 'this is no id of an upload',
    })
  },
}

// The conformance program accepts 404 but not 400 for the deletion of a malformed digest.
function asUnknown(name: keyof PathValues, error: OciError): OciError {
  if (name === 'digest')
    return new OciError('BLOB_UNKNOWN', 'the blob is not known', { detail: error.detail, cause: error })
  if (name === 'reference') {
    return new OciError('MANIFEST_UNKNOWN', 'the manifest is not known', {
      detail: error.detail,
      cause: error,
    })
  }
  return error
}

/** Percent-decoding, once and segment by segment: an encoded slash never becomes a separator. */
function decode(name: keyof PathValues, text: string): string {
  const segments = text.split('/').map(decodeSegment)
  if (!segments.some((segment) => segment.includes('/'))) return segments.join('/')
  if (name === 'name') {
    throw new OciError('NAME_INVALID', 'the repository name is not valid', {
      detail: 'it contains an encoded slash (%2F)',
    })
  }
  return segments.join('/')
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch (cause) {
    throw new HttpRefusal(400, 'REQUEST_INVALID', 'the path is not valid', {
      detail: 'it contains a percent sign that does not begin the encoding of a character',
      cause,
    })
  }
}

function walk(node: RouteNode, path: string, end: number, captured: string[]): Endpoint | undefined {
  if (node.endpoint !== undefined) {
    if (end <= prefix.length) return undefined
    captured.push(path.slice(prefix.length, end))
    return node.endpoint
  }
  // The name needs at least one character between the prefix and the next slash.
  const slash = path.lastIndexOf('/', end - 1)
  if (slash <= prefix.length) return undefined
  const segment = path.slice(slash + 1, end)
  const literal = node.literals.get(segment)
  if (literal !== undefined) {
    const found = walk(literal, path, slash, captured)
    if (found !== undefined) return found
  }
  if (node.wildcard === undefined || segment === '') return undefined
  captured.push(segment)
  const found = walk(node.wildcard, path, slash, captured)
  if (found === undefined) captured.pop()
  return found
}

function insert(root: RouteNode, segments: readonly string[]): RouteNode {
  let node = root
  for (const segment of segments.toReversed()) {
    if (isCapture(segment)) node = node.wildcard ??= newNode()
    else node = node.literals.get(segment) ?? setLiteral(node, segment)
  }
  return node
}

function setLiteral(node: RouteNode, segment: string): RouteNode {
  const child = newNode()
  node.literals.set(segment, child)
  return child
}

function isCapture(segment: string): boolean {
  return segment.startsWith('<')
}

function newNode(): RouteNode {
  return { literals: new Map(), wildcard: undefined, endpoint: undefined }
}
