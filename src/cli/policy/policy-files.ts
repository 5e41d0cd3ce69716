import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { printPath, type LoadProblem } from '../../policy/load-problem.ts'
import { loadPolicyDocuments, type PolicyDocuments } from '../../policy/policy-documents.ts'
import { usualLongestException } from '../../policy/trow-exception.ts'
import { reasonOf } from '../../reason-of.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { readYamlDocuments, type YamlDocument } from './yaml-documents.ts'

/** Bytes of one file: an object of the largest size, with blanks and comments. */
const fileLimit = 8 * 1024 * 1024

export interface PolicyFileProblem {
  readonly file: string
  readonly line: number
  readonly column: number
  /** The field before it, where it is about one. */
  readonly message: string
}

export interface PolicyFiles {
  readonly documents: PolicyDocuments
  readonly problems: readonly PolicyFileProblem[]
  /** The same for a finding about one object. */
  placed(object: { readonly kind: string; readonly name: string }, problem: LoadProblem): PolicyFileProblem
}

/** Policies and exceptions of files and folders (`*.yaml`, `*.yml`, `*.json`, not below). Throws UserError POLICY_UNREADABLE. */
export function readPolicyFiles(
  paths: readonly string[],
  { ownHosts, now }: { readonly ownHosts: ReadonlySet<string>; readonly now: number },
): PolicyFiles {
  const read: { readonly file: string; readonly document: YamlDocument }[] = []
  const problems: PolicyFileProblem[] = []
  for (const file of paths.flatMap((path) => filesOf(path)))
    for (const document of readYamlDocuments(textOf(file)))
      if ('message' in document) problems.push({ file, ...document.place, message: document.message })
      else read.push({ file, document })
  const documents = loadPolicyDocuments(
    read.map(({ document }) => document.value),
    { ownHosts, now, longestException: usualLongestException, requireTicket: false },
  )
  const placed = (place: number, { path, message }: LoadProblem): PolicyFileProblem => {
    const { file, document } = read[place] as (typeof read)[number]
    const text = path.length === 0 ? message : `${printPath(path)}: ${message}`
    return { file, ...document.placeOf(path), message: text }
  }
  return {
    documents,
    problems: [...problems, ...documents.problems.map((problem) => placed(problem.document, problem))],
    placed: ({ kind, name }, problem) =>
      placed(
        read.findIndex(({ document }) => isObject(document.value, kind, name)),
        problem,
      ),
  }
}

function isObject(value: unknown, kind: string, name: string): boolean {
  const object = value as { readonly kind?: unknown; readonly metadata?: { readonly name?: unknown } } | null
  return object?.kind === kind && object.metadata?.name === name
}

function filesOf(path: string): string[] {
  return attempt(path, () =>
    statSync(path).isDirectory()
      ? readdirSync(path)
          .filter((name) => /\.(?:ya?ml|json)$/.test(name))
          .sort()
          .map((name) => join(path, name))
      : [path],
  )
}

function textOf(file: string): string {
  return attempt(file, () => {
    const { size } = statSync(file)
    if (size > fileLimit) throw new Error(`it has ${size} bytes, and may have ${fileLimit}`)
    return readFileSync(file, 'utf8')
  })
}

function attempt<Result>(path: string, work: () => Result): Result {
  try {
    return work()
  } catch (cause) {
    throw new UserError('POLICY_UNREADABLE', `${path} cannot be read: ${reasonOf(cause)}`, {
      hint: 'Name files with policies, or a folder of them.',
      cause,
      exitCode: exitCode.usage,
    })
  }
}

/** `FILE:LINE:COLUMN: error: …`, as compilers write it. */
export function problemLine({ file, line, column, message }: PolicyFileProblem, level: string): string {
  return `${file}:${line}:${column}: ${level}: ${message}`
}
