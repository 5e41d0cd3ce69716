import { createInterface } from 'node:readline/promises'
import { exitCode, UserError } from '../user-error.ts'
import type { Terminal } from './streams.ts'

/** Fails at once where nobody is there to answer: UserError CONFIRMATION_NEEDED. */
export function needTerminal(terminal: Terminal, flag: string): void {
  if (terminal.stdin.isTTY === true) return
  throw new UserError('CONFIRMATION_NEEDED', 'nobody is there to confirm', {
    hint: `Add ${flag}.`,
    exitCode: exitCode.usage,
  })
}

/** Asks on stderr; only "y" and "yes" are one. Throws UserError CONFIRMATION_NEEDED. */
export async function confirmed(question: string, terminal: Terminal, flag = '--yes'): Promise<boolean> {
  needTerminal(terminal, flag)
  const prompt = createInterface({ input: terminal.stdin, output: terminal.stderr })
  try {
    return /^y(es)?$/i.test((await prompt.question(`${question} [y/N] `)).trim())
  } finally {
    prompt.close()
  }
}
