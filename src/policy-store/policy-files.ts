import { counted } from '../counted.ts'
import fs from 'node:fs'
import { join } from 'node:path'
import { reasonOf } from '../reason-of.ts'
import { exitCode, UserError } from '../user-error.ts'
import type { SourceDocument, UnitProblem } from './policy-source.ts'
import { readJsonDocument } from './json-document.ts'
import { readYamlDocuments } from './yaml-documents.ts'

/** Bytes of one file: enough for the largest object with spaces and comments. */
export const fileLimit = 4 * 1024 * 1024

/** Whether a file of a folder holds policies. */
export function isPolicyFile(name: string): boolean {
  return /\.(?:ya?ml|json)$/.test(name) && !name.startsWith('.')
}

export interface PolicyText {
  readonly documents: readonly SourceDocument[]
  readonly problems: readonly UnitProblem[]
}

/** Reads the documents of a file's text. Never throws. */
export function readPolicyText(text: string): PolicyText {
  const value = readJsonDocument(text)
  if (value !== undefined) return { documents: [jsonDocument(value, text)], problems: [] }
  const documents: SourceDocument[] = []
  const problems: UnitProblem[] = []
  for (const read of readYamlDocuments(text))
    if ('message' in read) problems.push(read)
    else documents.push(read)
  return { documents, problems }
}

/** Places are computed only for problems; the text is then read again as YAML. */
function jsonDocument(value: unknown, text: string): SourceDocument {
  let read: ReturnType<typeof readYamlDocuments> | undefined
  return {
    value,
    placeOf(path) {
      const [document] = (read ??= readYamlDocuments(text))
      return document !== undefined && 'placeOf' in document ? document.placeOf(path) : undefined
    },
  }
}

export interface PolicyFile extends PolicyText {
  readonly file: string
}

/** Reads files, and the files of folders (without sub-folders). Throws UserError POLICY_UNREADABLE. */
export function readPolicyFiles(paths: readonly string[]): readonly PolicyFile[] {
  return paths.flatMap((path) => filesOf(path)).map((file) => ({ file, ...readPolicyText(textOf(file)) }))
}

function filesOf(path: string): string[] {
  return attempt(path, () =>
    fs.statSync(path).isDirectory()
      ? fs
          .readdirSync(path)
          .filter((name) => isPolicyFile(name))
          .sort()
          .map((name) => join(path, name))
      : [path],
  )
}

function textOf(file: string): string {
  return attempt(file, () => {
    const stat = fs.statSync(file)
    if (!stat.isFile()) throw new Error('it is no file')
    if (stat.size > fileLimit) throw new Error(tooLarge(stat.size))
    return fs.readFileSync(file, 'utf8')
  })
}

export function tooLarge(size: number): string {
  return `it has ${counted(size, 'byte')}, and may have ${fileLimit}`
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
