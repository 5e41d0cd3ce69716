import { z } from 'zod'

/** What keeps a policy or an exception from being loaded. Whoever has read it from a file knows the line of the path. */
export interface LoadProblem {
  /** Names and places from the document's root on: `spec`, `rules`, `3`, `scope`. */
  readonly path: readonly (string | number)[]
  /** Says what to write. */
  readonly message: string
}

export type Loaded<Value> =
  | { readonly kind: 'loaded'; readonly value: Value }
  | { readonly kind: 'refused'; readonly problems: readonly LoadProblem[] }

/** Of one document; a list of ten thousand broken rules is told by its beginning. */
const problemLimit = 50

/** `spec.rules[3].scope`. */
export function printPath(path: readonly (string | number)[]): string {
  return z.core.toDotPath(path)
}

export function refused<Value>(problems: readonly LoadProblem[]): Loaded<Value> {
  if (problems.length <= problemLimit) return { kind: 'refused', problems }
  const more = { path: [], message: `${problems.length - problemLimit} more problems are not listed` }
  return { kind: 'refused', problems: [...problems.slice(0, problemLimit), more] }
}

/** An object with these fields and no other. */
export function fields<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  const names = Object.keys(shape)
    .filter((name) => !isLater(shape[name]))
    .join(', ')
  return z.strictObject(shape, {
    error: ({ code }) => (code === 'unrecognized_keys' ? `is no field here: there are ${names}` : undefined),
  })
}

/** A field of the design that this release cannot keep: accepted, it would be a promise without anything behind it. */
export function later(needs: string): z.ZodOptional<z.ZodNever> {
  return z.never({ error: `this release does not have it (it needs ${needs}): leave it out` }).optional()
}

function isLater(field: unknown): boolean {
  return field instanceof z.ZodOptional && field.unwrap() instanceof z.ZodNever
}

/** The shape of a document, with every problem of it. Never throws. */
export function parseShape<Schema extends z.ZodType>(
  value: unknown,
  schema: Schema,
): Loaded<z.infer<Schema>> {
  const result = schema.safeParse(value, { error: wording })
  if (result.success) return { kind: 'loaded', value: result.data }
  return refused(
    result.error.issues.flatMap((issue): LoadProblem[] => {
      // Documents have no symbols.
      const path = issue.path as (string | number)[]
      if (issue.code !== 'unrecognized_keys') return [{ path, message: issue.message }]
      return issue.keys.map((key) => ({ path: [...path, key.slice(0, 100)], message: issue.message }))
    }),
  )
}

/** For what the schemas say nothing of. What stood there is not repeated. */
function wording(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type')
    return issue.input === undefined ? 'is required' : `must be ${articled(String(issue['expected']))}`
  if (issue.code === 'invalid_value') {
    const values = (issue['values'] as readonly unknown[]).join(', ')
    return issue.input === undefined ? `is required: ${values}` : `must be ${values.replaceAll(', ', ' or ')}`
  }
  return undefined
}

function articled(type: string): string {
  if (type === 'array') return 'a list'
  return type === 'object' ? 'an object' : `a ${type}`
}
