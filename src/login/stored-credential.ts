import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { reasonOf } from '../reason-of.ts'
import { readCredential } from './credential-store.ts'
import { engines, home, type Env } from './engine.ts'
import { parseConfig, type EngineConfig } from './engine-config.ts'
import { hostOf } from './registry-host.ts'

/** `docker login` stores the refresh token of a token service if it received one, otherwise the password. */
export type DockerCredential =
  { readonly username: string; readonly password: string } | { readonly identitytoken: string }

export interface StoredLogin {
  /** `undefined` if there is no login for the host. */
  readonly credential: DockerCredential | undefined
  /** The file, or the program, that has it. */
  readonly place: string | undefined
  /** Why a program that keeps logins gave none, if one failed. */
  readonly problem: string | undefined
}

/**
 * Returns the credential that docker would send to a registry: from `credHelpers`, `credsStore` or `auths` of
 * its config, in this order. Returns `undefined` if there is no login for the host. Throws UserError
 * CREDENTIALS_INVALID.
 */
export async function storedDockerCredential(host: string, env: Env): Promise<DockerCredential | undefined> {
  const [file = ''] = configFiles(env)
  const config = await readConfig(file)
  return config && (await loginIn(config, { file, hosts: [host], path: '' }, env)).credential
}

/**
 * Returns the login of docker, else that of podman (containers-auth.json(5)), for a registry. `hosts` are the
 * names of the registry in such files; podman may keep another login for a part of a registry, which is found
 * by `repository`. Throws UserError CREDENTIALS_INVALID.
 */
export async function storedLogin(
  { hosts, repository = '' }: { readonly hosts: readonly string[]; readonly repository?: string | undefined },
  env: Env,
): Promise<StoredLogin> {
  let problem: string | undefined
  for (const [place, file] of configFiles(env).entries()) {
    const config = await readConfig(file)
    if (config === undefined) continue
    const path = place === 0 ? '' : repository
    const found = await loginIn(config, { file, hosts, path }, env)
    if (found.credential !== undefined) return found
    problem ??= found.problem
  }
  return { credential: undefined, place: undefined, problem }
}

/** Docker's file comes first. podman reads its second file if the first has no login for the registry. */
function configFiles(env: Env): readonly string[] {
  const own = env['REGISTRY_AUTH_FILE'] ? [] : [join(home(env), '.config', 'containers', 'auth.json')]
  return [...new Set([...engines(env).map(({ config }) => config), ...own])]
}

async function readConfig(file: string): Promise<EngineConfig | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text.trim() === '' ? undefined : parseConfig(file, text)
}

async function loginIn(
  config: EngineConfig,
  { file, hosts, path }: { readonly file: string; readonly hosts: readonly string[]; readonly path: string },
  env: Env,
): Promise<StoredLogin> {
  let problem: string | undefined
  for (const host of hosts) {
    const store = config.credHelpers?.[host] ?? config.credsStore
    if (!store) continue
    const program = `docker-credential-${store}`
    try {
      const kept = await readCredential(store, host, env)
      if (kept === undefined) continue
      // docker's user name for a refresh token in credential stores.
      const credential =
        kept.username === '<token>'
          ? { identitytoken: kept.secret }
          : { username: kept.username, password: kept.secret }
      return { credential, place: program, problem: undefined }
    } catch (error) {
      problem = reasonOf(error)
    }
  }
  for (const host of hosts) {
    for (const key of keysOf(host, path)) {
      const entry = Object.entries(config.auths ?? {}).find(([each]) => keyOf(each) === key)?.[1]
      const credential = entry && credentialOf(entry)
      if (credential !== undefined) return { credential, place: file, problem: undefined }
    }
  }
  return { credential: undefined, place: undefined, problem }
}

function credentialOf({ identitytoken, auth }: Record<string, unknown>): DockerCredential | undefined {
  if (typeof identitytoken === 'string' && identitytoken !== '') return { identitytoken }
  const pair = typeof auth === 'string' ? Buffer.from(auth, 'base64').toString('utf8') : ''
  const colon = pair.indexOf(':')
  return colon === -1 ? undefined : { username: pair.slice(0, colon), password: pair.slice(colon + 1) }
}

/** The most precise first: `HOST/team/app`, `HOST/team`, `HOST`. */
function keysOf(host: string, repository: string): readonly string[] {
  const parts = repository === '' ? [] : repository.split('/')
  const paths = parts.map((_, count) => `/${parts.slice(0, count + 1).join('/')}`)
  return [...paths.reverse().map((path) => `${host}${path}`), host]
}

/** Docker writes URLs with a path (`https://index.docker.io/v1/`), podman a host with a part of a repository. */
function keyOf(written: string): string | undefined {
  if (/^https?:/i.test(written)) return hostOf(written)
  const host = hostOf(written)
  const slash = written.indexOf('/')
  return host === undefined || slash < 0 ? host : `${host}${written.slice(slash).replace(/\/+$/, '')}`
}
