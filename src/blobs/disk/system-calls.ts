import fs, { type Stats } from 'node:fs'
import { errorCode } from '../../error-code.ts'

type Done<T> = (error: NodeJS.ErrnoException | null, value?: T) => void

/** Awaits one callback-style `fs` call, which is cheaper than its `fs/promises` equivalent. */
export function systemCall<T = void>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error === null || error === undefined ? resolve(value as T) : reject(error)))
  })
}

export function hasErrorCode(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes(errorCode(error) ?? '')
}

export async function exists(path: string): Promise<boolean> {
  return (await statFile(path)) !== undefined
}

export async function statFile(path: string): Promise<Stats | undefined> {
  try {
    return await systemCall<Stats>((done) => fs.stat(path, done))
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined
    throw error
  }
}

export async function unlink(path: string): Promise<void> {
  try {
    await systemCall((done) => fs.unlink(path, done))
  } catch (error) {
    if (!hasErrorCode(error, 'ENOENT')) throw error
  }
}

export async function flushFolder(path: string): Promise<void> {
  const fd = await systemCall<number>((done) => fs.open(path, 'r', done))
  try {
    await systemCall((done) => fs.fsync(fd, done))
  } finally {
    await systemCall((done) => fs.close(fd, done))
  }
}
