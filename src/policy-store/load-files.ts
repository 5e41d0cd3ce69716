import { printProblem, type LoadProblem } from '../policy/load-problem.ts'
import { loadPolicyDocuments, type PolicyDocuments } from '../policy/policy-documents.ts'
import type { ExceptionSettings } from '../policy/trow-exception.ts'
import { UserError } from '../user-error.ts'
import { readPolicyFiles } from './policy-files.ts'
import type { SourceDocument, UnitProblem } from './policy-source.ts'

export interface PolicyFileProblem {
  readonly file: string
  readonly line: number
  readonly column: number
  /** Begins with the field, if the problem is about one. */
  readonly message: string
}

export interface LoadedFiles {
  readonly documents: PolicyDocuments
  readonly problems: readonly PolicyFileProblem[]
  /** Turns a problem of one object into a problem with its place in a file. */
  placed(object: { readonly kind: string; readonly name: string }, problem: LoadProblem): PolicyFileProblem
}

/** Loads policies and exceptions from files and folders together. Throws UserError POLICY_UNREADABLE. */
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

/** Returns a problem with its place in the document and a message of one line. */
export function placedProblem(document: SourceDocument, problem: LoadProblem): UnitProblem {
  return { place: document.placeOf(problem.path), message: printProblem(problem) }
}

function inFile(file: string, { place, message }: UnitProblem): PolicyFileProblem {
  const { line, column } = place ?? { line: 1, column: 1 }
  return { file, line, column, message }
}

function isObject(value: unknown, kind: string, name: string): boolean {
  const object = value as { readonly kind?: unknown; readonly metadata?: { readonly name?: unknown } } | null
  return object?.kind === kind && object.metadata?.name === name
}

/** Formats `FILE:LINE:COLUMN: error: …`, as compilers do. */
export function problemLine({ file, line, column, message }: PolicyFileProblem, level: string): string {
  return `${file}:${line}:${column}: ${level}: ${message}`
}

/**
 * Loads policies only if all of them are valid: with a part missing, the answers would be those of no written
 * policy. Prints each problem and throws UserError POLICY_INVALID.
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
