import { z } from 'zod'
import type { resultVersion } from '../result-version.ts'

const apiVersion: typeof resultVersion = 'cli.trow.io/v1'

/** A result: one JSON object, with its kind and the version of its form. */
export function document<const Kind extends string, Shape extends z.core.$ZodLooseShape>(
  kind: Kind,
  description: string,
  shape: Shape,
) {
  const head = { apiVersion: z.literal(apiVersion), kind: z.literal(kind) }
  return z.object({ ...head, ...shape }).describe(description)
}

/** A result that is a list. */
export function list<const Kind extends string, Item extends z.ZodType>(
  kind: Kind,
  description: string,
  item: Item,
) {
  return document(kind, description, { items: z.array(item) })
}

/** RFC 3339, in UTC. */
export const time = z.iso.datetime().describe('RFC 3339')
export const count = z.int().nonnegative()
export const bytes = count.describe('bytes')
/** Whole: `sha256:` and 64 digits. */
export const digest = z.string().regex(/^sha(256|512):[0-9a-f]+$/)
