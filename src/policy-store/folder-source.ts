import fs from 'node:fs'
import { join } from 'node:path'
import { counted } from '../counted.ts'
import { markOrReason } from '../file-mark.ts'
import { FileWatch, type FileMarks } from '../file-watch.ts'
import { reasonOf } from '../reason-of.ts'
import { fileLimit, isPolicyFile, readPolicyText, tooLarge } from './policy-files.ts'
import type { PolicySource, SourceListener, SourceUnit } from './policy-source.ts'

const mostFiles = 1000
/** Bytes of all files. */
const folderLimit = 32 * 1024 * 1024

/**
 * The files of a folder (`*.yaml`, `*.yml`, `*.json`; no sub-folders, no names that begin with a dot), each
 * of them a unit. A change is detected within 500 ms, even without file system events, by comparing times,
 * sizes and inodes of the files that links point to.
 */
export class FolderSource implements PolicySource {
  readonly name: string
  readonly #folder: string
  #watch: FileWatch | undefined
  /** By file. */
  #units: ReadonlyMap<string, SourceUnit> = new Map()

  constructor(folder: string) {
    this.name = `the folder ${folder}`
    this.#folder = folder
  }

  watch(listener: SourceListener): void {
    this.#watch = new FileWatch({
      folder: this.#folder,
      marks: () => this.#marks(),
      changed: (marks) => {
        this.#units = this.#readAll(marks)
        listener.state([...this.#units.values()])
      },
      unchanged: () => listener.alive(),
      failed: (error) => listener.away(reasonOf(error)),
    })
    this.#watch.start()
  }

  close(): Promise<void> {
    this.#watch?.close()
    return Promise.resolve()
  }

  #marks(): FileMarks {
    const names = fs.readdirSync(this.#folder).filter((name) => isPolicyFile(name))
    if (names.length > mostFiles)
      throw new Error(`it has ${counted(names.length, 'file')}, and may have ${mostFiles}`)
    return new Map(names.sort().map((name) => [name, markOrReason(join(this.#folder, name))]))
  }

  #readAll(marks: FileMarks): ReadonlyMap<string, SourceUnit> {
    const bytes = [...marks.values()].reduce((sum, mark) => sum + sizeOf(mark), 0)
    if (bytes > folderLimit)
      throw new Error(`its files have ${counted(bytes, 'byte')}, and may have ${folderLimit}`)
    return new Map(
      [...marks].map(([name, version]) => {
        const known = this.#units.get(name)
        return [name, known?.version === version ? known : readUnit(join(this.#folder, name), name, version)]
      }),
    )
  }
}

function readUnit(path: string, name: string, version: string): SourceUnit {
  try {
    const stat = fs.statSync(path)
    if (!stat.isFile()) throw new Error('it is no file')
    if (stat.size > fileLimit) throw new Error(tooLarge(stat.size))
    const changed = { changedBy: `uid ${stat.uid}`, changedAt: Math.round(stat.mtimeMs) }
    return { name, version, ...changed, ...readPolicyText(fs.readFileSync(path, 'utf8')) }
  } catch (error) {
    const problem = { place: undefined, message: `cannot be read: ${reasonOf(error)}` }
    return { name, version, changedBy: undefined, changedAt: undefined, documents: [], problems: [problem] }
  }
}

function sizeOf(mark: string): number {
  const size = Number.parseInt(mark, 10)
  return Number.isNaN(size) ? 0 : size
}
