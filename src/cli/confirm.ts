import { createInterface } from 'node:readline/promises'
import { exitCode, UserError } from '../user-error.ts'
import { printerFor, type Terminal } from './streams.ts'

/** Fails at once if stdin is no terminal: UserError CONFIRMATION_NEEDED. */
function needTerminal(terminal: Terminal, flag: string): void {
  if (terminal.stdin.isTTY === true) return
  throw new UserError('CONFIRMATION_NEEDED', 'nobody is there to confirm', {
    hint: `Add ${flag}.`,
    exitCode: exitCode.usage,
  })
}

/** Asks on stderr. Only "y" and "yes" confirm. Throws UserError CONFIRMATION_NEEDED. */
export async function confirmed(question: string, terminal: Terminal, flag = '--yes'): Promise<boolean> {
  needTerminal(terminal, flag)
  const prompt = createInterface({ input: terminal.stdin, output: terminal.exact.stderr })
  // Ctrl-C and the end of the input count as "no"; without these handlers the question would never end.
  const end = new AbortController()
  prompt.once('SIGINT', () => end.abort()).once('close', () => end.abort())
  try {
    const answer = await prompt.question(`${printerFor(terminal.env)(question)} [y/N] `, {
      signal: end.signal,
    })
    return /^y(es)?$/i.test(answer.trim())
  } catch (error) {
    if (end.signal.aborted) return false
    throw error
  } finally {
    prompt.close()
  }
}
