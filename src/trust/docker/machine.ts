import { posix } from 'node:path'
import type { ProgramRunner } from './program-runner.ts'

/** The machine whose engines are to trust a registry: all that depends on where trow runs. */
export interface DeveloperMachine {
  readonly platform: 'linux' | 'darwin' | 'win32'
  readonly env: Readonly<Record<string, string | undefined>>
  /** Absolute, with slashes. */
  readonly home: string
  /** 0: root. Undefined on Windows. */
  readonly uid: number | undefined
  /** `/`; elsewhere only where another tree stands for the machine's. Folders below `home` are named as they are. */
  readonly root: string
  /** A folder, with slashes, for files that live as long as one command. */
  readonly temporary: string
  readonly run: ProgramRunner
}

/** Joined with slashes, which Windows takes as well. */
export function pathOf(...parts: readonly string[]): string {
  return posix.join(...parts)
}

/** A path of the system as a whole, `/etc/docker` for example. */
export function systemPath({ root }: DeveloperMachine, path: string): string {
  return posix.join(root, path)
}
