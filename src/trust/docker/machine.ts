import { posix, win32 } from 'node:path'
import type { ProgramRunner } from './program-runner.ts'

/** The machine whose engines are to trust a registry: all that depends on where trow runs. */
export interface DeveloperMachine {
  readonly platform: 'linux' | 'darwin' | 'win32'
  readonly env: Readonly<Record<string, string | undefined>>
  /** Absolute. */
  readonly home: string
  /** 0: root. Undefined on Windows. */
  readonly uid: number | undefined
  /** `/`; elsewhere only where another tree stands for the machine's. Folders below `home` are named as they are. */
  readonly root: string
  /** A folder for files that live as long as one command. */
  readonly temporary: string
  readonly run: ProgramRunner
}

/** Joined as paths of this machine are written. */
export function pathOf({ platform }: DeveloperMachine, ...parts: readonly string[]): string {
  return (platform === 'win32' ? win32 : posix).join(...parts)
}

/** A path of the system as a whole, `/etc/docker` for example. */
export function systemPath({ root }: DeveloperMachine, path: string): string {
  return posix.join(root, path)
}
