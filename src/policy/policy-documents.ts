import type { Loaded, LoadProblem } from './load-problem.ts'
import { parseTrowException, type ExceptionSettings, type TrowException } from './trow-exception.ts'
import { parseTrowPolicy, type TrowPolicy } from './trow-policy.ts'

/** A problem in one of several documents. */
export interface DocumentProblem extends LoadProblem {
  /** The document's index among those given. */
  readonly document: number
}

export interface PolicyDocuments {
  readonly policies: readonly TrowPolicy[]
  readonly exceptions: readonly TrowException[]
  /** If there is any, `policies` and `exceptions` are incomplete. */
  readonly problems: readonly DocumentProblem[]
}

/**
 * Loads all documents of a folder or a cluster, whatever they contain. A kind and name may occur only once.
 * Never throws.
 */
export function loadPolicyDocuments(
  documents: readonly unknown[],
  settings: ExceptionSettings,
): PolicyDocuments {
  const policies = new Map<string, TrowPolicy>()
  const exceptions = new Map<string, TrowException>()
  const problems: DocumentProblem[] = []
  for (const [document, value] of documents.entries()) {
    const add = (found: readonly LoadProblem[]): void =>
      void problems.push(...found.map((each) => ({ ...each, document })))
    const kind = kindOf(value)
    if (kind === 'TrowPolicy') add(keep(parseTrowPolicy(value, settings.ownHosts), policies))
    else if (kind === 'TrowException') add(keep(parseTrowException(value, settings), exceptions))
    else add([{ path: ['kind'], message: 'must be TrowPolicy or TrowException' }])
  }
  return { policies: [...policies.values()], exceptions: [...exceptions.values()], problems }
}

function kindOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined
}

function keep<Value extends { readonly name: string }>(
  loaded: Loaded<Value>,
  into: Map<string, Value>,
): readonly LoadProblem[] {
  if (loaded.kind === 'refused') return loaded.problems
  const { name } = loaded.value
  if (into.has(name)) return [{ path: ['metadata', 'name'], message: `there is another one named ${name}` }]
  into.set(name, loaded.value)
  return []
}
