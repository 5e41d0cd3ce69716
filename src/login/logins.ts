import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { replaceFile } from '../cluster/replace-file.ts'
import { errorCode } from '../error-code.ts'
import { UserError } from '../user-error.ts'
import { home, type Env } from './engine.ts'

/**
 * How the credential helper obtains a host's credentials, and what a login has written. Contains no secret.
 */
export interface Login {
  /** `undefined` means the service account of the pod. */
  readonly context?: string | undefined
  /** As in KUBECONFIG; `undefined` means the file that kubectl would find. */
  readonly kubeconfig?: string | undefined
  /** `NAMESPACE/NAME`. */
  readonly serviceAccount?: string | undefined
  readonly seconds: number
  /** True if the credential helper answers for this host. */
  readonly helper: boolean
  /** True if the user has agreed that the registry receives a token for the API server. */
  readonly isApiTokenShared?: boolean | undefined
  /** Client certificates, and the files that were written beside them. */
  readonly files: readonly string[]
}

const loginSchema = z.object({
  context: z.string().optional(),
  kubeconfig: z.string().optional(),
  serviceAccount: z.string().optional(),
  seconds: z.number(),
  helper: z.boolean(),
  isApiTokenShared: z.boolean().optional(),
  files: z.array(z.string()),
})
const loginsSchema = z.object({ hosts: z.record(z.string(), loginSchema) })

export async function readLogins(env: Env): Promise<Readonly<Record<string, Login>>> {
  const file = loginsFile(env)
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined
    throw invalid(file, error)
  })
  if (text === undefined) return {}
  try {
    return loginsSchema.parse(JSON.parse(text)).hosts
  } catch (cause) {
    throw invalid(file, cause)
  }
}

/** `undefined` removes the record. */
export async function writeLogin(env: Env, host: string, login: Login | undefined): Promise<void> {
  const { [host]: _, ...others } = await readLogins(env)
  const hosts = login === undefined ? others : { ...others, [host]: login }
  await replaceFile(loginsFile(env), `${JSON.stringify({ hosts }, undefined, 2)}\n`, 0o600)
}

function loginsFile(env: Env): string {
  return join(env['XDG_CONFIG_HOME'] || join(home(env), '.config'), 'trow', 'logins.json')
}

function invalid(file: string, cause: unknown): UserError {
  return new UserError('LOGINS_INVALID', `${file} cannot be read`, {
    hint: 'Remove it and log in again.',
    cause,
  })
}
