import fs from 'node:fs'

/** Milliseconds. File system events arrive sooner, but not every file system has them. */
const pollInterval = 400
/**
 * Milliseconds that files must stay unchanged before they are read: a program that writes a file in place needs
 * time to finish.
 */
const stillness = 40
/** Milliseconds: one change causes several events. */
const eventDelay = 5
/** Number of further changes after which the files are read nevertheless. */
const mostWaits = 5

/** A mark for each watched file: it changes when the file changes (`fileMark`). */
export type FileMarks = ReadonlyMap<string, string>

export interface FileWatchOptions {
  /** Returns the marks as they are now. May throw. */
  readonly marks: () => FileMarks
  /** Called once the marks differ from those that were read last and stay still. What it throws goes to `failed`. */
  readonly changed: (marks: FileMarks) => void
  /** Called by each check that finds nothing changed. */
  readonly unchanged?: () => void
  /** Receives what `marks` or `changed` threw. The next check tries again. */
  readonly failed: (error: unknown) => void
  /** Marks of what has been read already. Without them the first check counts as a change. */
  readonly read?: FileMarks
  /** A folder whose file system events cause a check before the next poll. */
  readonly folder?: string
  /** Milliseconds between two polls. */
  readonly interval?: number
}

/**
 * Watches files by their marks and reports a change within 500 ms, even without file system events. A mounted
 * ConfigMap or Secret changes by a symbolic link, which an event of the file itself does not show. The watch does not
 * keep the process alive.
 */
export class FileWatch {
  readonly #options: FileWatchOptions
  #read: FileMarks | undefined
  #seen: FileMarks = new Map()
  #waits = 0
  #watcher: fs.FSWatcher | undefined
  #timer: NodeJS.Timeout | undefined
  #soon: NodeJS.Timeout | undefined

  constructor(options: FileWatchOptions) {
    this.#options = options
    this.#read = options.read
  }

  /** Checks for the first time before it returns. */
  start(): void {
    this.#timer = setInterval(() => this.#check(), this.#options.interval ?? pollInterval).unref()
    this.#check()
  }

  close(): void {
    clearInterval(this.#timer)
    clearTimeout(this.#soon)
    this.#timer = undefined
    this.#watcher?.close()
  }

  #checkSoon(delay: number): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined
      this.#check()
    }, delay).unref()
  }

  #check(): void {
    if (this.#timer === undefined || this.#soon !== undefined) return
    const { marks: look, changed, unchanged, failed } = this.#options
    try {
      this.#watchEvents()
      const marks = look()
      const known = this.#read
      if (known !== undefined && isEqual(marks, known)) return unchanged?.()
      if (known !== undefined && this.#waits < mostWaits && !isEqual(marks, this.#seen)) {
        this.#seen = marks
        this.#waits++
        return this.#checkSoon(stillness)
      }
      changed(marks)
      this.#read = marks
      this.#waits = 0
    } catch (error) {
      failed(error)
    }
  }

  #watchEvents(): void {
    const { folder } = this.#options
    if (folder === undefined || this.#watcher !== undefined) return
    try {
      const watcher = fs.watch(folder, () => this.#checkSoon(eventDelay))
      // The folder was removed; the poll finds a new folder at the same path.
      const drop = (): void => {
        watcher.close()
        if (this.#watcher === watcher) this.#watcher = undefined
      }
      watcher.on('error', drop)
      watcher.on('close', drop)
      this.#watcher = watcher
    } catch {
      // No more watches are available; the poll detects changes.
    }
  }
}

function isEqual(one: FileMarks, other: FileMarks): boolean {
  return one.size === other.size && [...one].every(([name, mark]) => other.get(name) === mark)
}
