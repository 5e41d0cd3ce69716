import { accessSync, constants, existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { errorCode } from '../../error-code.ts'
import { reasonOf } from '../../reason-of.ts'
import { UserError } from '../../user-error.ts'
import { pathOf, type DeveloperMachine } from './machine.ts'
import type { FileStep } from './trust-step.ts'

/**
 * Beside what others have put into `certs.d/HOST:PORT`: dockerd and containers-certs.d(5) take every `*.crt` there for a
 * CA.
 */
const fileName = 'trow-ca.crt'
const firstLine = '# managed-by: trow; "trow trust-docker --undo" takes it away'
const folderLine = '# folders made: '

interface OurFile {
  readonly content: string
  /** Folders that trow has made for this file or one beside it, innermost first. */
  readonly folders: readonly string[]
}

/** `certs.d` folder of an engine, and the registry's name in it. */
export interface CertificatePlace {
  readonly certificates: string
  readonly host: string
}

/** Undefined: it is there already. Throws UserError FILE_EXISTS, FILE_MISSING (where it cannot be read). */
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

/** Undefined: there is none of ours. */
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

/** Windows has no colon in names; Docker Desktop leaves it out there. */
function hostFolder(machine: DeveloperMachine, { certificates, host }: CertificatePlace): string {
  return pathOf(certificates, machine.platform === 'win32' ? host.replaceAll(':', '') : host)
}

/** The file as engines in a VM get it, where no folder is anybody's but theirs. */
export function containerFile(ca: string, folders: readonly string[]): string {
  return `${firstLine}\n${folderLine}${JSON.stringify(folders)}\n${ca.trimEnd()}\n`
}

export function isOurs(content: string): boolean {
  return content.startsWith(`${firstLine}\n`)
}

/** Throws UserError FILE_EXISTS for one of somebody else. */
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

/** Ours for other registries: whichever is taken away last takes the folders along. */
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

/** Innermost first. */
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
