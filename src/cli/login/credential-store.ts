import { spawn } from 'node:child_process'
import { UserError } from '../../user-error.ts'
import type { Env } from './engine.ts'

/**
 * Another program that keeps docker's credentials (`credsStore`, `credHelpers`): what the files hold is then not read.
 * Throws UserError CREDENTIAL_STORE_FAILED.
 */
export async function storeCredential(
  store: string,
  entry: { readonly host: string; readonly username: string; readonly secret: string },
  env: Env,
): Promise<void> {
  const { host, username, secret } = entry
  await run(store, 'store', JSON.stringify({ ServerURL: host, Username: username, Secret: secret }), env)
}

/** Having none is fine. */
export async function eraseCredential(store: string, host: string, env: Env): Promise<void> {
  await run(store, 'erase', host, env).catch((error: unknown) => {
    if (!(error instanceof UserError)) throw error
  })
}

async function run(store: string, verb: string, input: string, env: Env): Promise<void> {
  const program = `docker-credential-${store}`
  if (!/^[\w.-]+$/.test(store)) throw failed(program, 'has no name of a program')
  await new Promise<void>((resolve, reject) => {
    const child = spawn(program, [verb], { env, stdio: ['pipe', 'ignore', 'ignore'] })
    child.once('error', (cause) => reject(failed(program, 'cannot be run', cause)))
    child.once('close', (code, signal) => {
      if (code === 0) resolve()
      else reject(failed(program, `refused with ${signal ?? `code ${code}`}`))
    })
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}

function failed(program: string, reason: string, cause?: unknown): UserError {
  return new UserError(
    'CREDENTIAL_STORE_FAILED',
    `docker keeps its credentials with ${program}, which ${reason}`,
    {
      hint: 'trow login --docker --helper needs no store: docker then asks trow each time.',
      cause,
    },
  )
}
