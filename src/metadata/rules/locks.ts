import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'

/**
 * What a change keeps other changes from doing meanwhile. SQLite runs one change at a time and needs none of
 * it. PostgreSQL takes the locks of a transaction in one statement, before anything is read.
 */
export interface LockKey {
  readonly kind: 'repository' | 'digest' | 'name'
  readonly name: string
  /** Held by any number of changes at once, while none holds it alone. */
  readonly shared: boolean
}

/** Equal for keys that are about the same, and for no others. */
export function textOfKey({ kind, name }: LockKey): string {
  return `${kind} ${name}`
}

/** The repository exists, its manifests stay, and no link to a blob is removed. */
export function usesRepository(name: RepositoryName): LockKey {
  return { kind: 'repository', name, shared: true }
}

/**
 * Manifests and tags are added to it or renewed, by one transaction at a time; none is removed. Blobs come into
 * it meanwhile: the layers of one image do not wait for the manifests of others.
 */
export function addsManifests(name: RepositoryName): readonly LockKey[] {
  return [usesRepository(name), alone(`manifests:${name}`)]
}

/** Manifests, tags or links to blobs are removed, or all of them must stay as they are. */
export function changesRepository(name: RepositoryName): LockKey {
  return { kind: 'repository', name, shared: false }
}

/** The blob is not marked for deletion, and not deleted. */
export function usesDigest(name: Digest): LockKey {
  return { kind: 'digest', name, shared: true }
}

/** The blob may lose a link, be marked for deletion, or be deleted. */
export function removesDigest(name: Digest): LockKey {
  return { kind: 'digest', name, shared: false }
}

export function changesUpload(id: string): LockKey {
  return alone(`upload:${id}`)
}

/** For what is neither a repository, a blob nor an upload. */
export function alone(name: string): LockKey {
  return { kind: 'name', name, shared: false }
}

/** The generation of the policies that judged a change stays in force until the change is committed. */
export function judged(generation: number | undefined): readonly LockKey[] {
  return generation === undefined ? [] : [{ ...policies, shared: true }]
}

export const policies = alone('policies')

export function none(): readonly LockKey[] {
  return []
}
