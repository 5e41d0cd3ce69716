import type { AdmissionRight } from '../access/principal.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference } from '../oci/tag.ts'
import type { ServerRequest } from './server-request.ts'
import type { Reply } from './reply.ts'

/**
 * The right that a request needs on the repository of its path. `list` without a repository: only the
 * repositories that the caller may see are listed. `audit`: to read the audit log. `facts`, `records`: what only
 * the admission pods may. `login`: to be a known caller. `none`: no right, and the caller is not identified.
 */
export type Right = 'pull' | 'push' | 'delete' | 'list' | 'audit' | AdmissionRight | 'login' | 'none'

/** The validated values that a path may contain. */
export interface PathValues {
  readonly name: RepositoryName
  readonly digest: Digest
  readonly reference: Reference
  /** The id of an upload session: letters, digits and dashes. */
  readonly upload: string
}

/** The values that one path names: a fixed path has none. */
export type GivenValues = Partial<PathValues>

type ValueNames<Path extends string> = Path extends `${string}<${infer Name}>${infer Rest}`
  ? Name | ValueNames<Rest>
  : never

export type PathParams<Path extends string> = {
  readonly [Name in ValueNames<Path> & keyof PathValues]: PathValues[Name]
}

export type Handler<Params> = (request: ServerRequest, params: Params) => Reply | Promise<Reply>

export interface Route {
  readonly methods: readonly string[]
  readonly path: string
  readonly right: Right
  readonly handler: Handler<GivenValues>
}

/**
 * One row of the route table; the type of the params follows from the path. `<name>` may contain slashes, the
 * others may not.
 */
export function route<const Path extends string>(
  methods: readonly string[],
  path: Path,
  right: Right,
  handler: Handler<PathParams<Path>>,
): Route {
  // Router.find gives a route exactly the values that its path names.
  return { methods, path, right, handler: handler as Handler<GivenValues> }
}
