import fs, { type PathLike } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { DatabaseSync, StatementSync, type StatementResultingChanges } from 'node:sqlite'

/**
 * Loaded into every thread of a server under test (`--import`). It changes no code of trow: it wraps the system calls
 * that trow makes.
 *
 * CRASH_AT=<point>:<n>  SIGKILL at the n-th time (per thread) that the point is reached
 * CRASH_WITHOUT=<flush> leaves one kind of flush out, to see the power cuts find it:
 *   commit-flush (synchronous=NORMAL), file-flush, folder-flush
 * CRASH_WAL=<pages>     how long the write-ahead log grows before it is used again from its start. While it grows each
 *   commit takes the folders along in ext4's journal; only then does a folder that was not flushed show
 */
const [point, nth] = (process.env['CRASH_AT'] ?? ':').split(':') as [string, string]
const without = process.env['CRASH_WITHOUT']
const walPages = process.env['CRASH_WAL']
let reached = 0

function at(name: string): void {
  if (name === point && ++reached >= Number(nth)) process.kill(process.pid, 'SIGKILL')
}

type Callback = (error: NodeJS.ErrnoException | null) => void

const { rename, unlink, fsync, fdatasync } = fs
const isBlob = (path: PathLike): boolean => /[/\\]blobs[/\\]/.test(String(path))

fs.rename = Object.assign(
  (from: PathLike, to: PathLike, done: Callback) => {
    if (isBlob(to)) at('before-rename')
    rename(from, to, (error) => {
      if (isBlob(to)) at('after-rename')
      done(error)
    })
  },
  { __promisify__: rename.__promisify__ },
)

fs.unlink = Object.assign(
  (path: PathLike, done: Callback) => {
    if (isBlob(path)) at('before-unlink')
    unlink(path, (error) => {
      if (isBlob(path)) at('after-unlink')
      done(error)
    })
  },
  { __promisify__: unlink.__promisify__ },
)

fs.fsync = Object.assign(
  (fd: number, done: Callback) => {
    const skipped = without === (fs.fstatSync(fd).isDirectory() ? 'folder-flush' : 'file-flush')
    if (skipped) setImmediate(done, null)
    else {
      fsync(fd, (error) => {
        at('after-flush')
        done(error)
      })
    }
  },
  { __promisify__: fsync.__promisify__ },
)

fs.fdatasync = Object.assign(
  (fd: number, done: Callback) => {
    if (without === 'file-flush') setImmediate(done, null)
    else {
      fdatasync(fd, (error) => {
        at('after-flush')
        done(error)
      })
    }
  },
  { __promisify__: fdatasync.__promisify__ },
)
syncBuiltinESMExports()

const { exec } = DatabaseSync.prototype
DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
  let text = without === 'commit-flush' ? sql.replace(/synchronous\s*=\s*FULL/i, 'synchronous=NORMAL') : sql
  if (walPages !== undefined) text = text.replace(/(wal_autocheckpoint)\s*=\s*\d+/i, `$1=${walPages}`)
  const commit = /^\s*commit/i.test(text)
  if (commit) at('before-commit')
  exec.call(this, text)
  if (commit) at('after-commit')
}

const run = StatementSync.prototype.run as (...values: unknown[]) => StatementResultingChanges
StatementSync.prototype.run = function (this: StatementSync, ...values: unknown[]) {
  const commit = /^\s*commit/i.test(this.sourceSQL)
  if (commit) at('before-commit')
  const result = run.apply(this, values)
  if (commit) at('after-commit')
  return result
}
