import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { longestPassword } from '../../access/bcrypt.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { Terminal } from '../streams.ts'

const longestInput = 64 * 1024

/**
 * A new password: typed twice and not shown, or on stdin (one line break at its end is not part of it). Throws
 * UserError PASSWORD_UNFIT.
 */
export async function newPassword(terminal: Terminal, name: string): Promise<string> {
  const password =
    terminal.stdin.isTTY === true ? await typedTwice(terminal, name) : await readAll(terminal.stdin)
  if (password === '') throw unfit('the password is empty')
  const bytes = Buffer.byteLength(password)
  if (bytes > longestPassword)
    throw unfit(`the password has ${bytes} bytes, and bcrypt looks at the first ${longestPassword} only`)
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

function typed(terminal: Terminal, question: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const prompt = createInterface({ input: terminal.stdin, output: nowhere, terminal: true })
  terminal.stderr.write(question)
  return new Promise<string>((resolve, reject) => {
    prompt.once('SIGINT', () => reject(unfit('no password was given')))
    prompt.once('close', () => reject(unfit('no password was given')))
    prompt.once('line', resolve)
  }).finally(() => {
    prompt.close()
    terminal.stderr.write('\n')
  })
}

async function readAll(stdin: Terminal['stdin']): Promise<string> {
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

function unfit(message: string): UserError {
  return new UserError('PASSWORD_UNFIT', message, {
    hint: 'Type it at the prompt, or give it on stdin: printf %s "$PASSWORD" | trow user add NAME.',
    exitCode: exitCode.usage,
  })
}
