import { readFile } from 'node:fs/promises'
import { delimiter, resolve } from 'node:path'
import type { KubeContext } from '../cluster/kube-context.ts'
import { loadKubeContext } from '../cluster/kubeconfig.ts'
import { replaceFile } from '../cluster/replace-file.ts'
import { errorCode } from '../error-code.ts'
import { reasonOf } from '../reason-of.ts'
import { exitCode, UserError } from '../user-error.ts'
import type { AskConsent } from './api-token-consent.ts'
import { describeCertificate, removeFiles, writeCertificate } from './client-certificate.ts'
import { eraseCredential, storeCredential } from './credential-store.ts'
import { chosenEngines, engines, type Engine, type Env } from './engine.ts'
import {
  editConfig,
  forget,
  markStored,
  parseConfig,
  setHelper,
  setPassword,
  type EngineConfig,
} from './engine-config.ts'
import { readLogins, writeLogin, type Login } from './logins.ts'
import { needsServiceAccount, registryCredential, type RegistryCredential } from './registry-credential.ts'
import { forgetToken } from './token-cache.ts'

/** The name beside a token is free text. */
export const username = 'trow'
/** `docker-credential-<this>`. */
export const helperName = 'trow'

export interface LoginWish {
  readonly host: string
  readonly seconds: number
  readonly docker: boolean
  readonly podman: boolean
  readonly helper: boolean
  readonly serviceAccount?: string
  readonly shareApiToken?: boolean
  readonly context?: string
  readonly kubeconfig?: string
}

export interface LoginSurroundings {
  readonly env: Env
  readonly cwd: string
  /** Undefined: nobody is there to answer. */
  readonly askConsent: AskConsent | undefined
  /** dockerd has a certificate now, which it shows for everybody who may use it. */
  onSharedCertificate(): void
}

/** What a login has done. `until`: milliseconds since the epoch; undefined: nobody has said. */
export type LoginOutcome =
  | {
      /** The engines keep a token, or ask our credential helper for one each time. */
      readonly kind: 'token' | 'helper'
      /** Where the token is from, in words. */
      readonly origin: string
      readonly until: number | undefined
      readonly engines: readonly Engine[]
      readonly isForApiServer: boolean
    }
  | {
      readonly kind: 'certificate'
      /** Whom it names. */
      readonly name: string
      readonly until: number
      readonly files: readonly string[]
    }

export async function login(wish: LoginWish, surroundings: LoginSurroundings): Promise<LoginOutcome> {
  const { env, cwd, askConsent } = surroundings
  const context = loadKubeContext({ env, cwd, context: wish.context, kubeconfig: wish.kubeconfig })
  const credential = await registryCredential({
    context,
    registry: wish.host,
    serviceAccount: wish.serviceAccount,
    seconds: wish.seconds,
    takesCertificate: false,
    isApiTokenShared: wish.shareApiToken === true,
    askConsent,
    env,
  })
  const chosen = chosenEngines(wish, env)
  const earlier = (await readLogins(env))[wish.host]
  const way: Login = {
    ...pinned(wish, context, surroundings),
    serviceAccount: wish.serviceAccount,
    seconds: wish.seconds,
    helper: wish.helper || earlier?.helper === true,
    // The helper has nobody to ask.
    isApiTokenShared: credential.kind === 'token' && credential.isForApiServer,
    files: earlier?.files ?? [],
  }
  if (credential.kind === 'certificate') return useCertificate(wish, context, credential, way, surroundings)
  if (wish.helper) {
    await forgetToken(env, wish.host)
    await writeLogin(env, wish.host, way)
    for (const engine of chosen) {
      await edit(engine, (config) => {
        forget(config, wish.host, helperName)
        setHelper(config, wish.host, helperName)
      })
    }
  } else {
    for (const engine of chosen) await keep(engine, wish.host, credential.token, env)
  }
  const { origin, until, isForApiServer } = credential
  return { kind: wish.helper ? 'helper' : 'token', origin, until, engines: chosen, isForApiServer }
}

export interface LogoutOutcome {
  /** What was taken back, a line each. */
  readonly undone: readonly string[]
  /** A login of trow was noted. */
  readonly wasKnown: boolean
}

export async function logout(host: string, env: Env): Promise<LogoutOutcome> {
  const undone: string[] = []
  for (const engine of engines(env)) {
    const text = await read(engine.config)
    if (text === undefined) continue
    const store = storeFor(engine, parseConfig(engine.config, text), host)
    let found = false
    const edited = editConfig(engine.config, text, (config) => (found = forget(config, host, helperName)))
    if (found && store !== undefined) await eraseCredential(store, host, env)
    if (!found) continue
    await write(engine, edited)
    undone.push(`${engine.readers}: ${engine.config}`)
  }
  const earlier = (await readLogins(env))[host]
  if (earlier !== undefined) {
    await removeFiles(earlier.files)
    undone.push(...earlier.files)
    await forgetToken(env, host)
    await writeLogin(env, host, undefined)
  }
  return { undone, wasKnown: earlier !== undefined }
}

/** Which context it is now, so that a later change of the current one changes nothing here. */
function pinned(
  wish: LoginWish,
  context: KubeContext,
  { env, cwd }: LoginSurroundings,
): Pick<Login, 'context' | 'kubeconfig'> {
  if (context.file === undefined) return {}
  const listed = env['KUBECONFIG'] ? env['KUBECONFIG'].split(delimiter) : []
  const files = wish.kubeconfig === undefined ? listed : [wish.kubeconfig]
  return {
    context: context.name,
    ...(files.length === 0
      ? {}
      : {
          kubeconfig: files
            .filter((file) => file !== '')
            .map((file) => resolve(cwd, file))
            .join(delimiter),
        }),
  }
}

async function keep(engine: Engine, host: string, secret: string, env: Env): Promise<void> {
  const text = await read(engine.config)
  const config = parseConfig(engine.config, text?.trim() ? text : '{}')
  const store = storeFor(engine, config, host)
  if (store !== undefined) await storeCredential(store, { host, username, secret }, env)
  await edit(engine, (edited) => {
    if (edited.credHelpers?.[host] === helperName) forget(edited, host, helperName)
    if (store === undefined) setPassword(edited, host, username, secret)
    else markStored(edited, host)
  })
}

/** The program that keeps this host's credentials instead of the file; ours keeps none. */
function storeFor(engine: Engine, config: EngineConfig, host: string): string | undefined {
  const own = config.credHelpers?.[host]
  const store = own === undefined || own === helperName ? undefined : own
  // Only docker knows one for all hosts. An empty name is the file itself.
  return (store ?? (engine.name === 'docker' ? config.credsStore : undefined)) || undefined
}

async function useCertificate(
  wish: LoginWish,
  context: KubeContext,
  pair: Extract<RegistryCredential, { kind: 'certificate' }>,
  way: Login,
  surroundings: LoginSurroundings,
): Promise<LoginOutcome> {
  const { env } = surroundings
  const able = process.platform === 'linux' && !wish.helper
  if (!able || (!wish.docker && !wish.podman)) {
    throw new UserError(
      'CERTIFICATE_ONLY',
      `context "${context.name}" holds a client certificate, which is no password: an engine's config cannot keep it`,
      {
        hint: `${needsServiceAccount}${able ? '\n  --docker or --podman puts the certificate itself where the engine shows it to the registry.' : ''}`,
        exitCode: exitCode.failed,
      },
    )
  }
  const { name, until } = describeCertificate(pair.cert)
  if (until <= Date.now()) {
    throw new UserError('TOKEN_EXPIRED', `the certificate of context "${context.name}" has expired`, {
      hint: 'Get a new one, as for kubectl.',
    })
  }
  let files = way.files
  for (const engine of chosenEngines(wish, env)) {
    files = [...new Set([...files, ...(await writeCertificate(engine, wish.host, pair, files))])]
    // Known before the next one may fail, so that a logout finds it.
    await writeLogin(env, wish.host, { ...way, files })
    // A password would outrank the certificate.
    const text = await read(engine.config)
    if (text !== undefined) await edit(engine, (config) => void forget(config, wish.host, helperName))
    if (engine.name === 'docker') surroundings.onSharedCertificate()
  }
  return { kind: 'certificate', name, until, files }
}

async function edit(engine: Engine, change: (config: EngineConfig) => void): Promise<void> {
  await write(engine, editConfig(engine.config, await read(engine.config), change))
}

async function write(engine: Engine, content: string): Promise<void> {
  try {
    await replaceFile(engine.config, content, 0o600)
  } catch (cause) {
    throw notUsable(engine.config, 'written', cause)
  }
}

async function read(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined
    throw notUsable(file, 'read', error)
  })
}

function notUsable(file: string, done: string, cause: unknown): UserError {
  return new UserError('CREDENTIALS_NOT_WRITABLE', `${file} cannot be ${done}: ${reasonOf(cause)}`, {
    exitCode: exitCode.notPermitted,
    cause,
  })
}
