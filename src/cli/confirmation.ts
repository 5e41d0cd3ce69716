import { createInterface } from 'node:readline/promises'
import { exitCode, UserError } from '../user-error.ts'
import type { Terminal } from './streams.ts'

/** Asks a person for a yes. Throws UserError CONFIRMATION_NEEDED where nobody is there, rather than waiting for one. */
export async function confirmed(question: string, terminal: Terminal): Promise<boolean> {
  if (terminal.stdin.isTTY !== true) {
    throw new UserError('CONFIRMATION_NEEDED', 'nobody is there to confirm', {
      hint: 'Add --yes.',
      exitCode: exitCode.usage,
    })
  }
  const prompt = createInterface({ input: terminal.stdin, output: terminal.stderr })
  try {
    return /^y(es)?$/i.test((await prompt.question(`${question} [y/N] `)).trim())
  } finally {
    prompt.close()
  }
}
