import { readFile } from 'node:fs/promises'
import { readCredential } from './credential-store.ts'
import { engines, type Env } from './engine.ts'
import { parseConfig } from './engine-config.ts'
import { hostOf } from './registry-host.ts'

/**
 * What docker would show a registry: of its config's `credHelpers`, `credsStore`, `auths`, in that order. Undefined: nobody
 * has logged in there. Throws UserError CREDENTIALS_INVALID.
 */
export async function storedDockerCredential(
  host: string,
  env: Env,
): Promise<{ readonly username: string; readonly password: string } | undefined> {
  const docker = engines(env).find(({ name }) => name === 'docker')
  const text = docker && (await readFile(docker.config, 'utf8').catch(() => undefined))
  if (docker === undefined || text === undefined || text.trim() === '') return undefined
  const config = parseConfig(docker.config, text)
  const store = config.credHelpers?.[host] ?? config.credsStore
  if (store) {
    const found = await readCredential(store, host, env)
    if (found !== undefined) return { username: found.username, password: found.secret }
  }
  const entry = Object.entries(config.auths ?? {}).find(([key]) => hostOf(key) === host)?.[1]
  const auth =
    typeof entry?.['auth'] === 'string' ? Buffer.from(entry['auth'], 'base64').toString('utf8') : ''
  const colon = auth.indexOf(':')
  return colon === -1 ? undefined : { username: auth.slice(0, colon), password: auth.slice(colon + 1) }
}
