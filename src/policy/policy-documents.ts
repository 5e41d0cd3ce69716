import type { Loaded, LoadProblem } from './load-problem.ts'
import { parseTrowException, type ExceptionSettings, type TrowException } from './trow-exception.ts'
import { parseTrowPolicy, type TrowPolicy } from './trow-policy.ts'

/** A problem of one of several documents. */
export interface DocumentProblem extends LoadProblem {
  /** The document's place among those given, counted from 0. */
  readonly document: number
}

export interface PolicyDocuments {
  readonly policies: readonly TrowPolicy[]
  readonly exceptions: readonly TrowException[]
  /** Where there is one, what could be loaded is not the whole. */
  readonly problems: readonly DocumentProblem[]
}

/** All documents of a folder or a cluster, whatever they hold: policies and exceptions, each name once. Never throws. */
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
