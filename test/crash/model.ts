import { createHash } from 'node:crypto'

/** Expected state of one repository. Only one lane of the load writes to it. */
export interface RepositoryModel {
  readonly name: string
  /** Acknowledged manifests by digest. */
  readonly manifests: Map<string, KnownManifest>
  readonly tags: Map<string, string>
  /** When the last change of a digest or tag was acknowledged, as in CrashTime. */
  readonly acknowledgedAt: Map<string, number>
  /** The change that was sent and not answered when the server ended; at most one. */
  pending: PendingChange | undefined
  /** If set, the changes that were acknowledged since then, in order. */
  journal?: AcknowledgedChange[] | undefined
}

export interface AcknowledgedChange {
  readonly change: PendingChange
  /** As in CrashTime. */
  readonly at: number
}

export interface KnownManifest {
  readonly mediaType: string
  readonly size: number
  readonly blobs: readonly string[]
  readonly children: readonly string[]
  readonly subject: string | undefined
  /** Pushed or used since the last full check. */
  fresh: boolean
}

export type PendingChange =
  | {
      readonly kind: 'put'
      readonly digest: string
      readonly manifest: KnownManifest
      readonly tags: readonly string[]
    }
  | { readonly kind: 'delete-tag'; readonly tag: string }
  | { readonly kind: 'delete-manifest'; readonly digest: string }

export function newRepository(name: string): RepositoryModel {
  return { name, manifests: new Map(), tags: new Map(), acknowledgedAt: new Map(), pending: undefined }
}

/** `at`: time of the evidence, which is a reply, or the state that was seen after a crash. */
export function applyChange(model: RepositoryModel, change: PendingChange, at: number): void {
  model.journal?.push({ change, at })
  switch (change.kind) {
    case 'put':
      model.manifests.set(change.digest, change.manifest)
      for (const tag of change.tags) model.tags.set(tag, change.digest)
      for (const key of [change.digest, ...change.tags]) model.acknowledgedAt.set(key, at)
      return
    case 'delete-tag':
      model.tags.delete(change.tag)
      model.acknowledgedAt.set(change.tag, at)
      return
    case 'delete-manifest':
      model.manifests.delete(change.digest)
      model.acknowledgedAt.delete(change.digest)
      for (const [tag, digest] of model.tags) {
        if (digest !== change.digest) continue
        model.tags.delete(tag)
        model.acknowledgedAt.set(tag, at)
      }
  }
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** Reproducible pseudo-random numbers (mulberry32): the seed determines the whole load. */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Bytes that follow from the numbers. */
export function randomBytesOf(random: () => number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size)
  const seed = (random() * 4294967296) >>> 0
  for (let i = 0, x = seed | 1; i < size; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) | 0
    bytes[i] = x >>> 24
  }
  return bytes
}
