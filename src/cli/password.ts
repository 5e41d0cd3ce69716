import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { exitCode, UserError } from '../user-error.ts'
import type { Terminal } from './streams.ts'

/** Bytes; far more than any password or token has. */
const longestInput = 64 * 1024

/**
 * Returns a password from stdin, or asks for it on the terminal. Throws UserError PASSWORD_MISSING if there is
 * neither.
 */
export async function passwordOf(name: string, isOnStdin: boolean, terminal: Terminal): Promise<string> {
  const hint = 'Type it at the prompt, or give it on stdin: printf %s "$PASSWORD" | trow … --password-stdin.'
  const missing = (message: string): UserError =>
    new UserError('PASSWORD_MISSING', message, { hint, exitCode: exitCode.usage })
  if (!isOnStdin && terminal.stdin.isTTY !== true)
    throw missing(`nobody is there to type the password of ${name}`)
  const password = isOnStdin
    ? await readSecret(terminal.stdin)
    : await typeSecret(`Password of ${name}: `, terminal)
  if (password === undefined || password === '') throw missing('no password was given')
  return password
}

/** Asks on stderr, without an echo. Returns `undefined` at Ctrl-C, and at the end of the input. */
export async function typeSecret(question: string, terminal: Terminal): Promise<string | undefined> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const prompt = createInterface({ input: terminal.stdin, output: nowhere, terminal: true })
  terminal.stderr.write(question)
  return new Promise<string | undefined>((resolve) => {
    prompt.once('SIGINT', () => resolve(undefined))
    prompt.once('close', () => resolve(undefined))
    prompt.once('line', resolve)
  }).finally(() => {
    prompt.close()
    terminal.stderr.write('\n')
  })
}

/** Reads everything, without one line break at its end. */
export async function readSecret(stdin: Terminal['stdin']): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stdin) {
    chunks.push(Buffer.from(chunk as Buffer | string))
    size += chunks.at(-1)?.length ?? 0
    if (size > longestInput) break
  }
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '')
}
