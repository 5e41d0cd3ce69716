import { accessSync, constants, existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { errorCode } from '../../error-code.ts'
import { reasonOf } from '../../reason-of.ts'
import { UserError } from '../../user-error.ts'
import { pathOf, type DeveloperMachine } from './machine.ts'
import type { FileStep } from './trust-step.ts'

/**
 * The name avoids files that others put into `certs.d/HOST:PORT`: dockerd and containers-certs.d(5) read
 * every `*.crt` there as a CA.
 */
const fileName = 'trow-ca.crt'
const firstLine = '# managed-by: trow; "trow trust-docker --undo" takes it away'
const folderLine = '# folders made: '

interface OurFile {
  readonly content: string
  /** Folders that trow made for this file or for one beside it, innermost first. */
  readonly folders: readonly string[]
}

/** The `certs.d` folder of an engine, and the name of the registry's folder in it. */
export interface CertificatePlace {
  readonly certificates: string
  readonly host: string
}

/**
 * Returns `undefined` if the file exists already with this content. Throws UserError FILE_EXISTS,
 * FILE_MISSING (it cannot be read).
 */
export function planCertificate(
  machine: DeveloperMachine,
  place: CertificatePlace,
  ca: string,
): FileStep | undefined {
  const folder = hostFolder(machine, place)
  const path = pathOf(folder, fileName)
  const present = readOurs(path)
  const missing = missingFolders(folder)
  const beside = siblings(place).flatMap(({ folders }) => folders)
  const known = [...new Set([...missing, ...(present?.folders ?? []), ...beside])]
  const mine = known.filter((each) => isAround(each, folder)).sort(innermostFirst)
  const after = containerFile(ca, mine)
  if (present?.content === after) return undefined
  const nearest = missing.length === 0 ? folder : pathOf(missing.at(-1) ?? folder, '..')
  return {
    kind: 'file',
    path,
    before: present?.content,
    after,
    folders: missing.toReversed(),
    sudo: needsSudo(machine, nearest),
  }
}

/** Returns `undefined` if trow wrote no file here. */
export function planRemoval(machine: DeveloperMachine, place: CertificatePlace): FileStep | undefined {
  const path = certificatePath(machine, place)
  const present = readOurs(path)
  if (present === undefined) return undefined
  return {
    kind: 'file',
    path,
    before: present.content,
    after: undefined,
    folders: present.folders,
    sudo: needsSudo(machine, hostFolder(machine, place)),
  }
}

function certificatePath(machine: DeveloperMachine, place: CertificatePlace): string {
  return pathOf(hostFolder(machine, place), fileName)
}

/** Windows allows no colon in file names; Docker Desktop leaves it out there. */
function hostFolder(machine: DeveloperMachine, { certificates, host }: CertificatePlace): string {
  return pathOf(certificates, machine.platform === 'win32' ? host.replaceAll(':', '') : host)
}

/** The file's content for engines in a VM, which have no folders of other owners. */
export function containerFile(ca: string, folders: readonly string[]): string {
  return `${firstLine}\n${folderLine}${JSON.stringify(folders)}\n${ca.trimEnd()}\n`
}

export function isOurs(content: string): boolean {
  return content.startsWith(`${firstLine}\n`)
}

/** Throws UserError FILE_EXISTS for a file of another owner. */
function readOurs(path: string): OurFile | undefined {
  let content: string
  try {
    content = readFileSync(path, 'utf8')
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return undefined
    throw new UserError('FILE_MISSING', `${path} cannot be read: ${reasonOf(cause)}`, { cause })
  }
  if (!isOurs(content) || lstatSync(path).isSymbolicLink()) {
    throw new UserError('FILE_EXISTS', `${path} is there already, and not from trow`, {
      hint: 'Move it away first.',
    })
  }
  return { content, folders: foldersOf(content) }
}

function foldersOf(content: string): readonly string[] {
  const line = content.split('\n').find((each) => each.startsWith(folderLine))
  try {
    const folders: unknown = JSON.parse(line?.slice(folderLine.length) ?? '[]')
    return Array.isArray(folders) ? folders.filter((each) => typeof each === 'string') : []
  } catch {
    return []
  }
}

/** Returns trow's files for other registries. The removal of the last one also removes the folders. */
function siblings({ certificates }: CertificatePlace): OurFile[] {
  if (!existsSync(certificates)) return []
  return readdirSync(certificates).flatMap((name) => {
    const path = pathOf(certificates, name, fileName)
    try {
      return readOurs(path) ?? []
    } catch {
      return []
    }
  })
}

/** Returns the innermost folder first. */
function missingFolders(folder: string): string[] {
  const missing: string[] = []
  for (let each = folder; !existsSync(each); each = pathOf(each, '..')) missing.push(each)
  return missing
}

function isAround(outer: string, folder: string): boolean {
  return folder === outer || folder.startsWith(pathOf(outer, '/'))
}

function innermostFirst(one: string, other: string): number {
  return other.length - one.length
}

function needsSudo({ uid }: DeveloperMachine, folder: string): boolean {
  if (uid === undefined || uid === 0) return false
  try {
    accessSync(folder, constants.W_OK)
    return false
  } catch {
    return true
  }
}
