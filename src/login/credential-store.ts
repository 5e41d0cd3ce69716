import { spawn } from 'node:child_process'
import { UserError } from '../user-error.ts'
import type { Env } from './engine.ts'
import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'

/** docker-credential-helpers: the answer to `get`. */
const credentialSchema = z.object({ Username: z.string(), Secret: z.string() })

/**
 * Stores a credential in the program that keeps docker's credentials (`credsStore`, `credHelpers`); engines
 * then ignore those in the files. Throws UserError CREDENTIAL_STORE_FAILED.
 */
export async function storeCredential(
  store: string,
  entry: { readonly host: string; readonly username: string; readonly secret: string },
  env: Env,
): Promise<void> {
  const { host, username, secret } = entry
  await run(store, 'store', JSON.stringify({ ServerURL: host, Username: username, Secret: secret }), env)
}

/** A missing credential is not an error. */
export async function eraseCredential(store: string, host: string, env: Env): Promise<void> {
  await run(store, 'erase', host, env).catch((error: unknown) => {
    if (!(error instanceof UserError)) throw error
  })
}

/** docker-credential-helpers, `credentials.errCredentialsNotFoundMessage`. */
const notFound = 'credentials not found in native keychain'

/** Returns `undefined` if it has none for this host. Throws UserError CREDENTIAL_STORE_FAILED. */
export async function readCredential(
  store: string,
  host: string,
  env: Env,
): Promise<{ readonly username: string; readonly secret: string } | undefined> {
  const { printed, failure } = await call(store, 'get', host, env)
  if (failure === undefined) {
    const given = tryForeignJson(printed, credentialSchema)
    return given && { username: given.Username, secret: given.Secret }
  }
  if (printed.trim() === notFound) return undefined
  throw failure
}

async function run(store: string, verb: string, input: string, env: Env): Promise<void> {
  const { failure } = await call(store, verb, input, env)
  if (failure !== undefined) throw failure
}

interface Called {
  readonly printed: string
  readonly failure: UserError | undefined
}

async function call(store: string, verb: string, input: string, env: Env): Promise<Called> {
  const program = `docker-credential-${store}`
  const refused = (reason: string, cause?: unknown): Called => {
    return { printed: '', failure: failed(program, reason, cause) }
  }
  if (!/^[\w.-]+$/.test(store)) return refused('has no name of a program')
  return new Promise((resolve) => {
    const child = spawn(program, [verb], { env, stdio: ['pipe', 'pipe', 'ignore'] })
    let printed = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
    child.once('error', (cause) => resolve(refused('cannot be run', cause)))
    child.once('close', (code, signal) => {
      const failure = code === 0 ? undefined : failed(program, `refused with ${signal ?? `code ${code}`}`)
      resolve({ printed, failure })
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
