import fs from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { replaceFile } from '../cluster/replace-file.ts'
import { errorCode } from '../error-code.ts'
import { flush } from '../flush.ts'
import { reasonOf } from '../reason-of.ts'
import { exitCode, UserError } from '../user-error.ts'
import { hashOf } from './object-hash.ts'
import type {
  PolicyEdit,
  PolicyObjectName,
  PolicyWriter,
  WrittenEdit,
  WrittenObject,
} from './policy-edits.ts'
import { isPolicyFile, readPolicyText } from './policy-files.ts'
import { hasComments } from './yaml-documents.ts'

/** An object and the file that holds it. */
interface Found {
  readonly path: string
  readonly text: string
  readonly document: { readonly spec: unknown }
  /** It is the only document of the file, and all of the file could be read. */
  readonly isAlone: boolean
}

/** Longer documents are written as JSON in a file of YAML, too: YAML is read 100 times as slowly. */
const longestYaml = 64 * 1024

/** Edits the files of a policy folder, each of which holds one object. */
export class FolderWriter implements PolicyWriter {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  read(object: PolicyObjectName): Promise<WrittenObject | undefined> {
    const found = this.#find(object)
    if (found === undefined) return Promise.resolve(undefined)
    const { path: place, document } = found
    return Promise.resolve({ ...object, document, hash: hashOf(document.spec), place })
  }

  async write(edit: PolicyEdit): Promise<WrittenEdit> {
    const { kind, name, document } = edit
    const found = this.#find(edit)
    checkFrom(edit, found)
    if (found !== undefined) checkAlone(found, edit)
    const place = found?.path ?? join(this.#folder, `${kind.toLowerCase()}-${name}.json`)
    try {
      if (document === undefined) await rm(place)
      else await replaceFile(place, fileText(document, found?.text), 0o644)
      await flush(this.#folder)
    } catch (error) {
      throw unwritable(place, error)
    }
    return { place, hash: hasSpec(document) ? hashOf(document.spec) : undefined }
  }

  #find({ kind, name }: PolicyObjectName): Found | undefined {
    for (const file of this.#files()) {
      const path = join(this.#folder, file)
      const text = readFile(path)
      // Most files need not be parsed.
      if (text === undefined || !text.includes(name)) continue
      const { documents, problems } = readPolicyText(text)
      const document = documents.map(({ value }) => value).find((value) => isNamed(value, kind, name))
      if (document === undefined || !hasSpec(document)) continue
      return { path, text, document, isAlone: documents.length === 1 && problems.length === 0 }
    }
    return undefined
  }

  #files(): readonly string[] {
    try {
      return fs
        .readdirSync(this.#folder)
        .filter((name) => isPolicyFile(name))
        .sort()
    } catch (cause) {
      throw new UserError('POLICY_UNREADABLE', `${this.#folder} cannot be read: ${reasonOf(cause)}`, {
        cause,
      })
    }
  }
}

/** Undefined: it cannot be read, which the source reports. */
function readFile(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function isNamed(value: unknown, kind: string, name: string): boolean {
  if (typeof value !== 'object' || value === null || !('kind' in value) || !('metadata' in value))
    return false
  const { metadata } = value
  return (
    value.kind === kind &&
    typeof metadata === 'object' &&
    metadata !== null &&
    'name' in metadata &&
    metadata.name === name
  )
}

function hasSpec(value: unknown): value is { readonly spec: unknown } {
  return typeof value === 'object' && value !== null && 'spec' in value
}

function checkFrom({ kind, name, document, from }: PolicyEdit, found: Found | undefined): void {
  const what = `${kind} ${name}`
  if (found === undefined && document === undefined)
    throw new UserError('POLICY_UNKNOWN', `there is no ${what}`, {
      hint: '"trow policy status" lists what there is.',
    })
  if (from === undefined) return
  const hash = found === undefined ? null : hashOf(found.document.spec)
  if (hash === from) return
  const problem = hash === null ? 'is gone' : from === null ? 'is there already' : 'was changed meanwhile'
  throw new UserError('POLICY_CONFLICT', `${what} ${problem}`, {
    hint: 'Read it again, and make the change from what is there now.',
  })
}

/** An edit replaces the whole file: it must hold nothing else that a person wrote. */
function checkAlone({ path, text, isAlone }: Found, { kind, name }: PolicyObjectName): void {
  const problem = !isAlone
    ? `holds more than ${kind} ${name}`
    : hasComments(text)
      ? 'has comments'
      : undefined
  if (problem === undefined) return
  throw new UserError('POLICY_NOT_ALONE', `${path} ${problem}, which an edit would lose`, {
    hint: `Change the file by hand, or give ${name} a file of its own without comments.`,
  })
}

function fileText(document: unknown, before: string | undefined): string {
  const json = `${JSON.stringify(document, undefined, 1)}\n`
  const isJson = before === undefined || /^\s*[[{]/.test(before)
  return isJson || json.length > longestYaml ? json : stringify(document, { lineWidth: 0 })
}

function unwritable(path: string, cause: unknown): UserError {
  const code = errorCode(cause)
  if (code !== 'EROFS' && code !== 'EACCES' && code !== 'EPERM')
    return new UserError('POLICY_WRITE_FAILED', `${path} cannot be written: ${reasonOf(cause)}`, { cause })
  return new UserError('POLICY_READ_ONLY', `${path} cannot be written by the server: ${reasonOf(cause)}`, {
    hint: 'Change it where it comes from. Mounts of a ConfigMap or Secret are read-only: change that object.',
    cause,
    exitCode: exitCode.notPermitted,
  })
}
