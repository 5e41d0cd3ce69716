import type { Digest } from '../oci/digest.ts'
import type { ImageReference } from './image-reference.ts'
import { NamespacePatterns } from './namespace-patterns.ts'
import { ScopeIndex } from './scope-index.ts'
import type { TrowException } from './trow-exception.ts'

/** Refusals of one image that must be lifted together. */
export interface Lifting {
  readonly reference: ImageReference
  /** The image's own, as far as they are known. */
  readonly digests: readonly Digest[]
  readonly policies: readonly string[]
  /** Whether a deny list is, or may be, among the reasons. */
  readonly override: boolean
  /** Undefined where none is known. */
  readonly namespace: string | undefined
  /** Milliseconds since 1970. */
  readonly now: number
}

interface Indexed extends Omit<TrowException, 'namespaces'> {
  readonly namespaces: NamespacePatterns
}

/** Exceptions by the images that they name. */
export class ExceptionIndex {
  readonly #byScope = new ScopeIndex<Indexed[]>()
  readonly #byDigest = new Map<Digest, Indexed[]>()
  readonly #withDigests: readonly Indexed[]

  constructor(given: readonly TrowException[]) {
    const exceptions = given.map((each) => ({ ...each, namespaces: new NamespacePatterns(each.namespaces) }))
    for (const exception of exceptions)
      for (const image of exception.images)
        if (typeof image === 'string')
          this.#byDigest.set(image, [...(this.#byDigest.get(image) ?? []), exception])
        else this.#byScope.set(image, [...(this.#byScope.get(image) ?? []), exception])
    this.#withDigests = exceptions.filter(({ images }) => images.some((image) => typeof image === 'string'))
  }

  /**
   * The exception that lifts all of it by itself, that which lasts longest; several never add up to one. Undefined: none.
   */
  find(lifting: Lifting): { readonly name: string; readonly expires: number } | undefined {
    const named = [
      ...this.#byScope.covering(lifting.reference).flat(),
      ...lifting.digests.flatMap((digest) => this.#byDigest.get(digest) ?? []),
    ]
    const [longest] = named
      .filter((exception) => lifts(exception, lifting))
      .sort((a, b) => b.expires - a.expires || (a.name < b.name ? -1 : 1))
    return longest
  }

  /** Whether one could lift it if the image had the right digest. */
  couldByDigest(lifting: Lifting): boolean {
    return this.#withDigests.some((exception) => lifts(exception, lifting))
  }
}

function lifts(exception: Indexed, lifting: Lifting): boolean {
  const { policies, override, namespace, now } = lifting
  return (
    now < exception.expires &&
    (exception.overrideDeny || !override) &&
    exception.namespaces.has(namespace) &&
    policies.every((policy) => exception.policies.has(policy))
  )
}
