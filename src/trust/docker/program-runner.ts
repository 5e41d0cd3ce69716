import { execa } from 'execa'

export interface ProgramCall {
  readonly program: string
  readonly args: readonly string[]
  /** Passed on standard input. `undefined` means that there is no input. */
  readonly input?: string | Uint8Array
}

export interface ProgramResult {
  /** `undefined` if the program could not be started or a signal ended it. */
  readonly code: number | undefined
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs a program of this machine to its end, for ten minutes at most. Never rejects: the result describes a
 * failure.
 */
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

/** Formats the call as a user would type it. */
export function printCall({ program, args }: ProgramCall): string {
  return [program, ...args].map(quoted).join(' ')
}

function quoted(word: string): string {
  return /^[\w@%+=:,./~[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
