import { counted } from '../counted.ts'
import type { Digest } from '../oci/digest.ts'
import { exceptionSchema } from './document-schema.ts'
import { parseShape, refused, type Loaded, type LoadProblem } from './load-problem.ts'
import { parseScope, type Scope } from './scope.ts'

/** A valid TrowException, as plain data that threads can exchange. */
export interface TrowException {
  readonly name: string
  readonly policies: ReadonlySet<string>
  readonly images: readonly (Scope | Digest)[]
  /** Names of namespaces, or patterns with `*` (`NamespacePatterns`). */
  readonly namespaces: readonly string[]
  readonly reason: string
  readonly ticket: string | undefined
  /** Milliseconds since 1970; the exception ends at this time. */
  readonly expires: number
  /** Whether it also lifts refusals by a deny list. */
  readonly overrideDeny: boolean
}

export interface ExceptionSettings {
  /** Canonical hosts of this registry. */
  readonly ownHosts: ReadonlySet<string>
  /** Milliseconds since 1970. */
  readonly now: number
  /** Longest lifetime of an exception, in milliseconds. */
  readonly longestException: number
  readonly requireTicket: boolean
}

/** 90 days. */
export const usualLongestException = 90 * 86_400_000

/** Parses any value from JSON or YAML. An expired exception is loaded and lifts nothing. Never throws. */
export function parseTrowException(value: unknown, settings: ExceptionSettings): Loaded<TrowException> {
  const shape = parseShape(value, exceptionSchema)
  if (shape.kind === 'refused') return shape
  const { metadata, spec } = shape.value
  const problems: LoadProblem[] = []
  const seen = new Map<string, number>()
  const images = spec.images.flatMap(({ scope, digest }, place): (Scope | Digest)[] => {
    const field = digest === undefined ? 'scope' : 'digest'
    const text = digest ?? scope ?? ''
    const before = seen.get(text)
    if (before === undefined) seen.set(text, place)
    else
      problems.push({
        path: ['spec', 'images', place, field],
        message: `stands in spec.images[${before}] already`,
      })
    if (digest !== undefined) return [digest as Digest]
    const parsed = parseScope(text, settings.ownHosts)
    if (parsed.kind === 'scope') return [parsed]
    problems.push({ path: ['spec', 'images', place, 'scope'], message: `${parsed.code}: ${parsed.message}` })
    return []
  })
  const expires = Date.parse(spec.expires)
  const created = Date.parse(metadata.creationTimestamp ?? '')
  // A creation time in the future, which only a file can contain, would lengthen the exception.
  const begun = created <= settings.now ? created : settings.now
  if (expires - begun > settings.longestException)
    problems.push({
      path: ['spec', 'expires'],
      message: `an exception lasts ${counted(Math.floor(settings.longestException / 86_400_000), 'day')} at most, from its creation on`,
    })
  if (settings.requireTicket && spec.ticket === undefined)
    problems.push({ path: ['spec', 'ticket'], message: 'is required by the settings' })
  if (problems.length > 0) return refused(problems)
  return {
    kind: 'loaded',
    value: {
      name: metadata.name,
      policies: new Set(spec.policies),
      images,
      namespaces: spec.namespaces,
      reason: spec.reason,
      ticket: spec.ticket,
      expires,
      overrideDeny: spec.overrideDeny ?? false,
    },
  }
}
