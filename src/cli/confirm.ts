import { createInterface } from 'node:readline/promises'
import { exitCode, UserError } from '../user-error.ts'
import type { Terminal } from './streams.ts'
import { printedText } from '../visible-text.ts'

/** Fails at once where nobody is there to answer: UserError CONFIRMATION_NEEDED. */
function needTerminal(terminal: Terminal, flag: string): void {
  if (terminal.stdin.isTTY === true) return
  throw new UserError('CONFIRMATION_NEEDED', 'nobody is there to confirm', {
    hint: `Add ${flag}.`,
    exitCode: exitCode.usage,
  })
}

/** Asks on stderr; only "y" and "yes" are one. Throws UserError CONFIRMATION_NEEDED. */
export async function confirmed(question: string, terminal: Terminal, flag = '--yes'): Promise<boolean> {
  needTerminal(terminal, flag)
  const prompt = createInterface({ input: terminal.stdin, output: terminal.exact.stderr })
  // Ctrl-C and the end of the input are an answer too; without these the question stays open for ever.
  const end = new AbortController()
  prompt.once('SIGINT', () => end.abort()).once('close', () => end.abort())
  try {
    const answer = await prompt.question(`${printedText(question)} [y/N] `, { signal: end.signal })
    return /^y(es)?$/i.test(answer.trim())
  } catch (error) {
    if (end.signal.aborted) return false
    throw error
  } finally {
    prompt.close()
  }
}
