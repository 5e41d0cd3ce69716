import { readFile } from 'node:fs/promises'
import { readCredential } from './credential-store.ts'
import { engines, type Env } from './engine.ts'
import { parseConfig } from './engine-config.ts'
import { hostOf } from './registry-host.ts'

/** `docker login` keeps a token service's refresh token where it was given one, else the password. */
export type DockerCredential =
  { readonly username: string; readonly password: string } | { readonly identitytoken: string }

/**
 * What docker would show a registry: of its config's `credHelpers`, `credsStore`, `auths`, in that order. Undefined: nobody
 * has logged in there. Throws UserError CREDENTIALS_INVALID.
 */
export async function storedDockerCredential(host: string, env: Env): Promise<DockerCredential | undefined> {
  const docker = engines(env).find(({ name }) => name === 'docker')
  const text = docker && (await readFile(docker.config, 'utf8').catch(() => undefined))
  if (docker === undefined || text === undefined || text.trim() === '') return undefined
  const config = parseConfig(docker.config, text)
  const store = config.credHelpers?.[host] ?? config.credsStore
  const kept = store ? await readCredential(store, host, env) : undefined
  if (kept !== undefined) {
    // docker's own mark for it, in credential stores.
    if (kept.username === '<token>') return { identitytoken: kept.secret }
    return { username: kept.username, password: kept.secret }
  }
  const entry = Object.entries(config.auths ?? {}).find(([key]) => hostOf(key) === host)?.[1]
  const { identitytoken, auth } = entry ?? {}
  if (typeof identitytoken === 'string' && identitytoken !== '') return { identitytoken }
  const pair = typeof auth === 'string' ? Buffer.from(auth, 'base64').toString('utf8') : ''
  const colon = pair.indexOf(':')
  return colon === -1 ? undefined : { username: pair.slice(0, colon), password: pair.slice(colon + 1) }
}
