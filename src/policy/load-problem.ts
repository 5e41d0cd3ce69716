import { z } from 'zod'
import { counted } from '../counted.ts'
import { foreignWords } from '../foreign-words.ts'

/**
 * Why a policy or an exception cannot be loaded. A caller that read it from a file can find the line of the
 * path.
 */
export interface LoadProblem {
  /** Names and indexes from the document's root: `spec`, `rules`, `3`, `scope`. */
  readonly path: readonly (string | number)[]
  /** Says what to write. */
  readonly message: string
}

export type Loaded<Value> =
  | { readonly kind: 'loaded'; readonly value: Value }
  | { readonly kind: 'refused'; readonly problems: readonly LoadProblem[] }

/** Problems reported for one document; the rest are only counted. */
const problemLimit = 50

export function refused<Value>(problems: readonly LoadProblem[]): Loaded<Value> {
  if (problems.length <= problemLimit) return { kind: 'refused', problems }
  const more = { path: [], message: `${counted(problems.length - problemLimit, 'more problem')} not listed` }
  return { kind: 'refused', problems: [...problems.slice(0, problemLimit), more] }
}

/** `spec.rules[3].scope: must be …`; the message alone where the whole document is meant. */
export function printProblem({ path, message }: LoadProblem): string {
  return path.length === 0 ? message : `${printPath(path)}: ${message}`
}

/** `spec.rules[3].scope`. */
export function printPath(path: LoadProblem['path']): string {
  return z.core.toDotPath(path)
}

/** A schema for an object with these fields and no others. */
export function fields<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  const names = Object.keys(shape)
    .filter((name) => !isLater(shape[name]))
    .join(', ')
  return z.strictObject(shape, {
    error: ({ code }) => (code === 'unrecognized_keys' ? `is no field here: there are ${names}` : undefined),
  })
}

/**
 * A field of the design that this release does not implement: it is refused, because a policy that contains
 * it would promise something that trow does not do.
 */
export function later(needs: string): z.ZodOptional<z.ZodNever> {
  return z.never({ error: `this release does not have it (it needs ${needs}): leave it out` }).optional()
}

function isLater(field: unknown): boolean {
  return field instanceof z.ZodOptional && field.unwrap() instanceof z.ZodNever
}

/** Checks the shape of a document and returns all its problems. Never throws. */
export function parseShape<Schema extends z.ZodType>(
  value: unknown,
  schema: Schema,
): Loaded<z.infer<Schema>> {
  const result = schema.safeParse(value, { error: wording })
  if (result.success) return { kind: 'loaded', value: result.data }
  return refused(
    result.error.issues.flatMap((issue): LoadProblem[] => {
      // Paths in documents contain no symbols.
      const path = issue.path as (string | number)[]
      if (issue.code !== 'unrecognized_keys') return [{ path, message: issue.message }]
      return issue.keys.map((key) => ({ path: [...path, key.slice(0, 100)], message: issue.message }))
    }),
  )
}

/** Messages for issues that the schemas do not word themselves. They do not repeat the given value. */
function wording(issue: z.core.$ZodRawIssue): string {
  if (issue.code === 'invalid_type')
    return issue.input === undefined ? 'is required' : `must be ${articled(String(issue['expected']))}`
  if (issue.code === 'invalid_value') {
    const values = (issue['values'] as readonly unknown[]).join(', ')
    return issue.input === undefined ? `is required: ${values}` : `must be ${values.replaceAll(', ', ' or ')}`
  }
  return foreignWords(issue)
}

function articled(type: string): string {
  if (type === 'array') return 'a list'
  return type === 'object' ? 'an object' : `a ${type}`
}
