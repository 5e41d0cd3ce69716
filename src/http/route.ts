import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference } from '../oci/tag.ts'
import type { RegistryRequest } from './registry-request.ts'
import type { Reply } from './reply.ts'

/**
 * What a request wants of the repository it names. `list`: without a repository
 * those that it may see; `audit`: to read the audit log;
 * `login`: to be known at all; `none`: everybody may.
 */
export type Right = 'pull' | 'push' | 'delete' | 'list' | 'audit' | 'login' | 'none'

/** The checked values that may stand in a path. */
export interface PathValues {
  readonly name: RepositoryName
  readonly digest: Digest
  readonly reference: Reference
  /** The id of an upload session: letters, digits and dashes. */
  readonly upload: string
}

/** Those that a path names: a fixed path has none. */
export type GivenValues = Partial<PathValues>

type ValueNames<Path extends string> = Path extends `${string}<${infer Name}>${infer Rest}`
  ? Name | ValueNames<Rest>
  : never

export type PathParams<Path extends string> = {
  readonly [Name in ValueNames<Path> & keyof PathValues]: PathValues[Name]
}

export type Handler<Params> = (request: RegistryRequest, params: Params) => Reply | Promise<Reply>

export interface Route {
  readonly methods: readonly string[]
  readonly path: string
  readonly right: Right
  readonly handler: Handler<GivenValues>
}

/** One line of the route table: the path is the type of the params. `<name>` may hold slashes, the others may not. */
export function route<const Path extends string>(
  methods: readonly string[],
  path: Path,
  right: Right,
  handler: Handler<PathParams<Path>>,
): Route {
  // Router.find gives a route exactly the values that its path names.
  return { methods, path, right, handler: handler as Handler<GivenValues> }
}
