import { counted } from '../../counted.ts'
import { longestPassword } from '../../access/bcrypt.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { readSecret, typeSecret } from '../password.ts'
import type { Terminal } from '../streams.ts'

/**
 * Reads a new password: typed twice without echo, or from stdin (without one line break at its end). Throws
 * UserError PASSWORD_UNFIT.
 */
export async function newPassword(terminal: Terminal, name: string): Promise<string> {
  const password =
    terminal.stdin.isTTY === true ? await typedTwice(terminal, name) : await readSecret(terminal.stdin)
  if (password === '') throw unfit('the password is empty')
  const bytes = Buffer.byteLength(password)
  if (bytes > longestPassword)
    throw unfit(
      `the password has ${counted(bytes, 'byte')}, and bcrypt looks at the first ${longestPassword} only`,
    )
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(password))
    throw unfit('the password holds a line break or a control character')
  return password
}

async function typedTwice(terminal: Terminal, name: string): Promise<string> {
  const first = await typed(terminal, `Password for ${name}: `)
  const second = await typed(terminal, 'The same again: ')
  if (first !== second) throw unfit('the two are not the same')
  return first
}

async function typed(terminal: Terminal, question: string): Promise<string> {
  const secret = await typeSecret(question, terminal)
  if (secret === undefined) throw unfit('no password was given')
  return secret
}

function unfit(message: string): UserError {
  return new UserError('PASSWORD_UNFIT', message, {
    hint: 'Type it at the prompt, or give it on stdin: printf %s "$PASSWORD" | trow user add NAME.',
    exitCode: exitCode.usage,
  })
}
