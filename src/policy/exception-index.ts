import type { Digest } from '../oci/digest.ts'
import type { ImageReference } from './image-reference.ts'
import { NamespacePatterns } from './namespace-patterns.ts'
import { ScopeIndex } from './scope-index.ts'
import type { Scope } from './scope.ts'
import type { TrowException } from './trow-exception.ts'

/** The refusals of one image, which must be lifted together. */
export interface Lifting {
  readonly reference: ImageReference
  /** The image's own digests, as far as known. */
  readonly digests: readonly Digest[]
  readonly policies: readonly string[]
  /** Whether a deny list is, or may be, one of the reasons. */
  readonly override: boolean
  /** Undefined where no namespace is known. */
  readonly namespace: string | undefined
  /** Milliseconds since 1970. */
  readonly now: number
}

interface Indexed extends Omit<TrowException, 'namespaces'> {
  readonly namespaces: NamespacePatterns
}

/** Indexes exceptions by the images that they name. */
export class ExceptionIndex {
  readonly #byScope = new ScopeIndex<Indexed[]>()
  readonly #byDigest = new Map<Digest, Indexed[]>()
  readonly #withDigests: Indexed[] = []

  constructor(exceptions: readonly TrowException[] = []) {
    this.add(exceptions)
  }

  /** More of them, for who makes it ready in parts. */
  add(exceptions: readonly TrowException[]): void {
    for (const given of exceptions) {
      const exception = { ...given, namespaces: new NamespacePatterns(given.namespaces) }
      for (const image of exception.images) this.#named(image).push(exception)
      if (exception.images.some((image) => typeof image === 'string')) this.#withDigests.push(exception)
    }
  }

  /**
   * Returns the exception that lifts all refusals by itself; of several, the one that lasts longest.
   * Exceptions are never combined. Undefined: none.
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

  /** Whether an exception could lift the refusals if the image had the right digest. */
  couldByDigest(lifting: Lifting): boolean {
    return this.#withDigests.some((exception) => lifts(exception, lifting))
  }

  /** Those that name the image. */
  #named(image: Scope | Digest): Indexed[] {
    const known = typeof image === 'string' ? this.#byDigest.get(image) : this.#byScope.get(image)
    if (known !== undefined) return known
    const named: Indexed[] = []
    if (typeof image === 'string') this.#byDigest.set(image, named)
    else this.#byScope.set(image, named)
    return named
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
