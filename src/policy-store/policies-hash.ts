import type { KubeObject } from '../cluster/cluster-objects.ts'
import { hashOf } from './object-hash.ts'

interface HashedObject {
  readonly kind: string
  readonly name: string
  /** `hashOf` its spec. */
  readonly hash: string
}

/** What is equal for equal policies and exceptions, in whatever order they are. */
export function policiesIdentity(objects: readonly HashedObject[]): string {
  return objects
    .map(({ kind, name, hash }) => `${kind}/${name} ${hash}`)
    .sort()
    .join('\n')
}

/**
 * The hash of a cluster's policies and exceptions as they are written there: that of `PolicyStatus`, and of the floor that was made of them.
 * `now`: milliseconds since 1970; exceptions that have ended by then do not count.
 */
export function hashOfObjects(objects: readonly KubeObject[], now: number): string {
  const live = objects.filter(({ kind, spec }) => kind !== 'TrowException' || !(endOf(spec) <= now))
  return hashOf(
    policiesIdentity(
      live.map(({ kind, metadata, spec }) => ({ kind, name: metadata.name, hash: hashOf(spec) })),
    ),
  )
}

function endOf(spec: unknown): number {
  const { expires } = (spec ?? {}) as { readonly expires?: unknown }
  return typeof expires === 'string' ? Date.parse(expires) : Number.NaN
}
