import { confirmed } from '../confirm.ts'
import type { Terminal } from '../streams.ts'
import type { AskConsent } from '../../login/api-token-consent.ts'

/** Returns `undefined` if stdin is no terminal. */
export function consentPrompt(terminal: Terminal): AskConsent | undefined {
  if (terminal.stdin.isTTY !== true) return undefined
  return async ({ context, registry }) => {
    terminal.stderr.write(
      `Context "${context.name}" holds only a token for its API server. Whoever receives that token\n` +
        `can do in the cluster what you can; the registry ${registry} would receive it.\n`,
    )
    return confirmed(`Present it to ${registry}, now and later?`, terminal)
  }
}
