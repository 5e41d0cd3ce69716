import { printPath, type LoadProblem } from '../policy/load-problem.ts'
import { loadPolicyDocuments, type PolicyDocuments } from '../policy/policy-documents.ts'
import type { ExceptionSettings } from '../policy/trow-exception.ts'
import { UserError } from '../user-error.ts'
import { readPolicyFiles } from './policy-files.ts'
import type { SourceDocument, UnitProblem } from './policy-source.ts'

export interface PolicyFileProblem {
  readonly file: string
  readonly line: number
  readonly column: number
  /** The field before it, where it is about one. */
  readonly message: string
}

export interface LoadedFiles {
  readonly documents: PolicyDocuments
  readonly problems: readonly PolicyFileProblem[]
  /** The same for a finding about one object. */
  placed(object: { readonly kind: string; readonly name: string }, problem: LoadProblem): PolicyFileProblem
}

/** Policies and exceptions of files and folders, loaded together. Throws UserError POLICY_UNREADABLE. */
export function loadPolicyFiles(paths: readonly string[], settings: ExceptionSettings): LoadedFiles {
  const files = readPolicyFiles(paths)
  const read = files.flatMap(({ file, documents }) => documents.map((document) => ({ file, document })))
  const documents = loadPolicyDocuments(
    read.map(({ document }) => document.value),
    settings,
  )
  const placed = (place: number, problem: LoadProblem): PolicyFileProblem => {
    const { file, document } = read[place] as (typeof read)[number]
    return inFile(file, placedProblem(document, problem))
  }
  return {
    documents,
    problems: [
      ...files.flatMap(({ file, problems }) => problems.map((problem) => inFile(file, problem))),
      ...documents.problems.map((problem) => placed(problem.document, problem)),
    ],
    placed: ({ kind, name }, problem) =>
      placed(
        read.findIndex(({ document }) => isObject(document.value, kind, name)),
        problem,
      ),
  }
}

/** A problem of a document where it stands, in one line. */
export function placedProblem(document: SourceDocument, { path, message }: LoadProblem): UnitProblem {
  const text = path.length === 0 ? message : `${printPath(path)}: ${message}`
  return { place: document.placeOf(path), message: text }
}

function inFile(file: string, { place, message }: UnitProblem): PolicyFileProblem {
  const { line, column } = place ?? { line: 1, column: 1 }
  return { file, line, column, message }
}

function isObject(value: unknown, kind: string, name: string): boolean {
  const object = value as { readonly kind?: unknown; readonly metadata?: { readonly name?: unknown } } | null
  return object?.kind === kind && object.metadata?.name === name
}

/** `FILE:LINE:COLUMN: error: …`, as compilers write it. */
export function problemLine({ file, line, column, message }: PolicyFileProblem, level: string): string {
  return `${file}:${line}:${column}: ${level}: ${message}`
}

/**
 * Policies that load as a whole: with a part missing they would give answers that nobody wrote. Prints each problem and throws
 * UserError POLICY_INVALID.
 */
export function loadSoundPolicies(
  paths: readonly string[],
  settings: ExceptionSettings,
  print: (line: string) => void,
): PolicyDocuments {
  const { documents, problems } = loadPolicyFiles(paths, settings)
  if (problems.length === 0) return documents
  for (const problem of problems) print(problemLine(problem, 'error'))
  throw new UserError('POLICY_INVALID', 'the policies do not load', {
    hint: '"trow policy lint" checks them.',
  })
}
