import fs from 'node:fs'
import { join } from 'node:path'
import { reasonOf } from '../reason-of.ts'
import { fileLimit, isPolicyFile, readPolicyText, tooLarge } from './policy-files.ts'
import type { PolicySource, SourceListener, SourceUnit } from './policy-source.ts'

const mostFiles = 1000
/** Bytes of all files. */
const folderLimit = 32 * 1024 * 1024
/** Milliseconds. Events of the file system come at once; not every file system has them. */
const pollInterval = 400
/** Milliseconds that a file has to stand still before it is read: who writes one in place is not done at once. */
const stillness = 40
/** Milliseconds: one change has several events. */
const eventDelay = 5
/** Times that a file may move on before it is read all the same. */
const mostWaits = 5

/**
 * The files of a folder (`*.yaml`, `*.yml`, `*.json`, not below it, none that begins with a dot), each a unit. A change is
 * seen within 500 ms whatever the file system says: by a look at times, sizes and inodes of what links lead to.
 */
export class FolderSource implements PolicySource {
  readonly name: string
  readonly #folder: string
  #listener: SourceListener | undefined
  /** By file. */
  #units: ReadonlyMap<string, SourceUnit> = new Map()
  /** Signatures of the files that `#units` were read from. */
  #read: ReadonlyMap<string, string> = new Map()
  /** Signatures at the last look. */
  #seen: ReadonlyMap<string, string> = new Map()
  #waits = 0
  #isTold = false
  #watcher: fs.FSWatcher | undefined
  #timer: NodeJS.Timeout | undefined
  #soon: NodeJS.Timeout | undefined

  constructor(folder: string) {
    this.name = `the folder ${folder}`
    this.#folder = folder
  }

  watch(listener: SourceListener): void {
    this.#listener = listener
    this.#look()
    this.#timer = setInterval(() => this.#look(), pollInterval)
  }

  close(): Promise<void> {
    clearInterval(this.#timer)
    clearTimeout(this.#soon)
    this.#watcher?.close()
    this.#listener = undefined
    return Promise.resolve()
  }

  #lookSoon(delay: number): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined
      this.#look()
    }, delay)
  }

  #look(): void {
    if (this.#listener === undefined || this.#soon !== undefined) return
    try {
      this.#watchEvents()
      const signatures = this.#signatures()
      if (this.#isTold && isEqual(signatures, this.#read)) return this.#listener.alive()
      if (this.#isTold && this.#waits < mostWaits && !isEqual(signatures, this.#seen)) {
        this.#seen = signatures
        this.#waits++
        return this.#lookSoon(stillness)
      }
      this.#units = this.#readAll(signatures)
      this.#read = signatures
      this.#waits = 0
      this.#isTold = true
      this.#listener.state([...this.#units.values()])
    } catch (error) {
      this.#listener.away(reasonOf(error))
    }
  }

  #watchEvents(): void {
    if (this.#watcher !== undefined) return
    try {
      const watcher = fs.watch(this.#folder, () => {
        this.#lookSoon(eventDelay)
      })
      // A folder that is taken away: the poll finds its successor.
      const drop = (): void => {
        watcher.close()
        if (this.#watcher === watcher) this.#watcher = undefined
      }
      watcher.on('error', drop)
      watcher.on('close', drop)
      this.#watcher = watcher
    } catch {
      // No more watches are to be had; there is the poll.
    }
  }

  #signatures(): ReadonlyMap<string, string> {
    const names = fs.readdirSync(this.#folder).filter((name) => isPolicyFile(name))
    if (names.length > mostFiles) throw new Error(`it has ${names.length} files, and may have ${mostFiles}`)
    return new Map(names.sort().map((name) => [name, signatureOf(join(this.#folder, name))]))
  }

  #readAll(signatures: ReadonlyMap<string, string>): ReadonlyMap<string, SourceUnit> {
    const bytes = [...signatures.values()].reduce((sum, signature) => sum + sizeOf(signature), 0)
    if (bytes > folderLimit) throw new Error(`its files have ${bytes} bytes, and may have ${folderLimit}`)
    return new Map(
      [...signatures].map(([name, version]) => {
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

function isEqual(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean {
  return one.size === other.size && [...one].every(([name, signature]) => other.get(name) === signature)
}

/** What changes with a file, and with where a link leads. A file that cannot be looked at has its reason. */
function signatureOf(path: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = fs.statSync(path, { bigint: true })
    return `${size} ${dev} ${ino} ${mtimeNs} ${ctimeNs}`
  } catch (error) {
    return reasonOf(error)
  }
}

function sizeOf(signature: string): number {
  const size = Number.parseInt(signature, 10)
  return Number.isNaN(size) ? 0 : size
}
