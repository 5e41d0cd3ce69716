import { spawn } from 'node:child_process'
import { UserError } from '../user-error.ts'
import type { Env } from './engine.ts'
import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'

/** docker-credential-helpers, the answer to `get`. */
const credentialSchema = z.object({ Username: z.string(), Secret: z.string() })

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

/** Undefined: it has none for this host. */
export async function readCredential(
  store: string,
  host: string,
  env: Env,
): Promise<{ readonly username: string; readonly secret: string } | undefined> {
  try {
    const given = tryForeignJson(await run(store, 'get', host, env), credentialSchema)
    return given && { username: given.Username, secret: given.Secret }
  } catch (error) {
    if (error instanceof UserError) return undefined
    throw error
  }
}

async function run(store: string, verb: string, input: string, env: Env): Promise<string> {
  const program = `docker-credential-${store}`
  if (!/^[\w.-]+$/.test(store)) throw failed(program, 'has no name of a program')
  return new Promise((resolve, reject) => {
    const child = spawn(program, [verb], { env, stdio: ['pipe', 'pipe', 'ignore'] })
    let printed = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
    child.once('error', (cause) => reject(failed(program, 'cannot be run', cause)))
    child.once('close', (code, signal) => {
      if (code === 0) resolve(printed)
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
