import fs, { type Stats } from 'node:fs'
import { hasErrorCode, systemCall } from './system-call.ts'

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
