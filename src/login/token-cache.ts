import { createHash } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../cluster/replace-file.ts'
import { home, type Env } from './engine.ts'
import { z } from 'zod'
import { parseForeignJson } from '../foreign-json.ts'

const entrySchema = z.object({ way: z.string(), token: z.string(), until: z.number() })

/** Milliseconds. A token that ends sooner is not returned any more. */
const margin = 60_000

/**
 * Tokens between two runs of the credential helper, in the user's cache folder: one file (0600) per host.
 * `way` identifies how a token was obtained; a token with another `way` is not returned.
 */
export async function cachedToken(
  env: Env,
  host: string,
  way: string,
  now: number,
): Promise<string | undefined> {
  try {
    const kept = parseForeignJson(await readFile(fileOf(env, host), 'utf8'), entrySchema)
    return kept.way === way && kept.until - margin > now ? kept.token : undefined
  } catch {
    return undefined
  }
}

/** A cache that cannot be written is not an error. */
export async function cacheToken(
  env: Env,
  host: string,
  entry: { readonly way: string; readonly token: string; readonly until: number },
): Promise<void> {
  await replaceFile(fileOf(env, host), JSON.stringify(entry), 0o600).catch(() => undefined)
}

export async function forgetToken(env: Env, host: string): Promise<void> {
  await rm(fileOf(env, host), { force: true })
}

function fileOf(env: Env, host: string): string {
  const name = createHash('sha256').update(host).digest('hex').slice(0, 32)
  return join(env['XDG_CACHE_HOME'] || join(home(env), '.cache'), 'trow', 'logins', `${name}.json`)
}
