import { execa } from 'execa'

export interface ProgramCall {
  readonly program: string
  readonly args: readonly string[]
  /** Given on standard input; undefined: there is none. */
  readonly input?: string | Uint8Array
}

export interface ProgramResult {
  /** Undefined: it could not be started, or a signal ended it. */
  readonly code: number | undefined
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program of this machine to its end, ten minutes at most. Never rejects: what went wrong is in the result. */
export type ProgramRunner = (call: ProgramCall) => Promise<ProgramResult>

export function machinePrograms(env: Readonly<Record<string, string | undefined>>): ProgramRunner {
  return async ({ program, args, input }) => {
    const result = await execa(program, args, {
      env,
      extendEnv: false,
      reject: false,
      stripFinalNewline: false,
      timeout: 600_000,
      ...(input === undefined ? { stdin: 'ignore' } : { input }),
    })
    const { exitCode, stdout, stderr } = result
    const started = stderr !== '' || exitCode !== undefined
    return { code: exitCode, stdout, stderr: started ? stderr : (result.shortMessage ?? '') }
  }
}

/** As a person would type it. */
export function printCall({ program, args }: ProgramCall): string {
  return [program, ...args].map(quoted).join(' ')
}

function quoted(word: string): string {
  return /^[\w@%+=:,./~[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
