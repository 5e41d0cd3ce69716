import { posix } from 'node:path'
import type { ProgramRunner } from './program-runner.ts'

/** The machine whose engines shall trust a registry: everything that depends on where trow runs. */
export interface DeveloperMachine {
  readonly platform: 'linux' | 'darwin' | 'win32'
  readonly env: Readonly<Record<string, string | undefined>>
  /** An absolute path with forward slashes. */
  readonly home: string
  /** 0 is root. `undefined` on Windows. */
  readonly uid: number | undefined
  /** Usually `/`; tests pass another tree. Paths below `home` are used without this prefix. */
  readonly root: string
  /** A folder, with forward slashes, for files that exist only while one command runs. */
  readonly temporary: string
  readonly run: ProgramRunner
}

/** Joins with forward slashes, which Windows accepts as well. */
export function pathOf(...parts: readonly string[]): string {
  return posix.join(...parts)
}

/** Returns a path of the whole system, such as `/etc/docker`, below `root`. */
export function systemPath({ root }: DeveloperMachine, path: string): string {
  return posix.join(root, path)
}
