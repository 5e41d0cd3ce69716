import { join } from 'node:path/posix'
import { removeOwn, ownFile, type Step } from '../machine-edit.ts'
import type { MachineFiles } from '../machine-files.ts'
import { isOwn } from '../ownership.ts'
import type { KubeletRun } from './kubelet.ts'
import { z } from 'zod'
import { tryForeignJson } from '../../foreign-json.ts'

const noteSchema = z.object({ places: z.array(z.unknown()), seen: z.unknown().optional() })

/** One place in which trow has installed its credential provider. */
export interface ProviderPlace {
  /** The file that contains trow's entry. */
  readonly config: string
  /** The path of the executable. */
  readonly program: string
}

/** What a later run must know about the files of a credential provider and cannot read from them. */
export interface ProviderNote {
  /** The newest is the last. */
  readonly places: readonly ProviderPlace[]
  /**
   * The kubelet that ran when the newest configuration was written: that run may not have read it, each later
   * run has. `none` means that no kubelet ran. `undefined` means that the write did not finish.
   */
  readonly seen: KubeletRun | 'none' | undefined
}

/** Returns `undefined` if the record is missing or was edited so that it cannot be parsed. */
export async function readNote(files: MachineFiles, home: string): Promise<ProviderNote | undefined> {
  const text = await files.read(noteIn(home))
  if (text === undefined || !isOwn(text)) return undefined
  const note = tryForeignJson(text.replaceAll(/^#.*\n/gm, ''), noteSchema)
  if (note === undefined) return undefined
  return { places: note.places.filter(isPlace), seen: isSeen(note.seen) ? note.seen : undefined }
}

export async function noteSteps(files: MachineFiles, home: string, note: ProviderNote): Promise<Step[]> {
  return ownFile(files, noteIn(home), `${JSON.stringify(note)}\n`)
}

export async function removeNote(files: MachineFiles, home: string): Promise<Step[]> {
  return removeOwn(files, noteIn(home))
}

export function noteIn(home: string): string {
  return join(home, 'note')
}

function isPlace(value: unknown): value is ProviderPlace {
  if (typeof value !== 'object' || value === null) return false
  const { config, program } = value as Readonly<Record<string, unknown>>
  return isPath(config) && isPath(program)
}

function isPath(value: unknown): boolean {
  return typeof value === 'string' && value.startsWith('/')
}

function isSeen(value: unknown): value is KubeletRun | 'none' {
  if (value === 'none') return true
  if (typeof value !== 'object' || value === null) return false
  const { boot, pid, start } = value as Readonly<Record<string, unknown>>
  return typeof boot === 'string' && typeof pid === 'string' && typeof start === 'number'
}
