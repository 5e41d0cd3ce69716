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

/** The user name that is stored with a token. The registry ignores it. */
export const username = 'trow'
/** The helper's program is `docker-credential-<name>`. */
export const helperName = 'trow'

/** What a login presents to the registry. */
export type PresentedLogin =
  RegistryCredential | { readonly kind: 'password'; readonly username: string; readonly password: string }

export interface LoginRequest {
  readonly host: string
  /** `undefined`: the credential of the kube context. */
  readonly password?: { readonly username: string; readonly password: string } | undefined
  readonly seconds: number
  readonly docker: boolean
  readonly podman: boolean
  readonly helper: boolean
  readonly serviceAccount?: string
  readonly shareApiToken?: boolean
  readonly context?: string
  readonly kubeconfig?: string
}

export interface LoginDeps {
  readonly env: Env
  readonly cwd: string
  /** `undefined` if stdin is no terminal. */
  readonly askConsent: AskConsent | undefined
  /** Called before anything is kept. Throws if the registry does not take the credential. */
  verify(presented: PresentedLogin): Promise<void>
  /** Called if dockerd now has a certificate, which it presents for every user of dockerd. */
  onSharedCertificate(): void
}

/** The result of a login. `until` is in milliseconds since the epoch; `undefined` if it is not known. */
export type LoginOutcome =
  | {
      /**
       * `token`: the engines store a token; `helper`: they ask trow's credential helper for one each time.
       */
      readonly kind: 'token' | 'helper'
      /** The source of the token, as text. */
      readonly origin: string
      readonly until: number | undefined
      readonly engines: readonly Engine[]
      readonly isForApiServer: boolean
    }
  | {
      readonly kind: 'certificate'
      /** The name in the certificate. */
      readonly name: string
      readonly until: number
      readonly files: readonly string[]
    }
  | { readonly kind: 'password'; readonly username: string; readonly engines: readonly Engine[] }

export async function login(request: LoginRequest, deps: LoginDeps): Promise<LoginOutcome> {
  const { env, cwd, askConsent, verify } = deps
  if (request.password !== undefined) return keepPassword(request, request.password, deps)
  const context = loadKubeContext({ env, cwd, context: request.context, kubeconfig: request.kubeconfig })
  const credential = await registryCredential({
    context,
    registry: request.host,
    serviceAccount: request.serviceAccount,
    seconds: request.seconds,
    takesCertificate: false,
    isApiTokenShared: request.shareApiToken === true,
    askConsent,
    env,
  })
  if (credential.kind === 'certificate') needUsable(request, context, credential)
  await verify(credential)
  const chosen = chosenEngines(request, env)
  const earlier = (await readLogins(env))[request.host]
  const way: Login = {
    ...pinned(request, context, deps),
    serviceAccount: request.serviceAccount,
    seconds: request.seconds,
    helper: request.helper || earlier?.helper === true,
    // The helper cannot ask a question later, so that the consent is recorded now.
    isApiTokenShared: credential.kind === 'token' && credential.isForApiServer,
    files: earlier?.files ?? [],
  }
  if (credential.kind === 'certificate') return useCertificate(request, credential, way, deps)
  if (request.helper) {
    await forgetToken(env, request.host)
    await writeLogin(env, request.host, way)
    for (const engine of chosen) {
      await edit(engine, (config) => {
        forget(config, request.host, helperName)
        setHelper(config, request.host, helperName)
      })
    }
  } else {
    for (const engine of chosen) await keep(engine, request.host, { username, secret: credential.token }, env)
  }
  const { origin, until, isForApiServer } = credential
  return { kind: request.helper ? 'helper' : 'token', origin, until, engines: chosen, isForApiServer }
}

async function keepPassword(
  request: LoginRequest,
  { username: name, password }: { readonly username: string; readonly password: string },
  { env, verify }: LoginDeps,
): Promise<LoginOutcome> {
  const { host } = request
  await verify({ kind: 'password', username: name, password })
  const chosen = chosenEngines(request, env)
  for (const engine of chosen) await keep(engine, host, { username: name, secret: password }, env)
  const earlier = (await readLogins(env))[host]
  if (earlier !== undefined) {
    await forgetToken(env, host)
    // The files stay until a logout, which must find them.
    await writeLogin(env, host, earlier.files.length === 0 ? undefined : { ...earlier, helper: false })
  }
  return { kind: 'password', username: name, engines: chosen }
}

export interface LogoutOutcome {
  /** What was undone, one line each. */
  readonly undone: readonly string[]
  /** True if a login of trow was recorded. */
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

/** Records the name of the context, so that a later change of the current context has no effect here. */
function pinned(
  request: LoginRequest,
  context: KubeContext,
  { env, cwd }: LoginDeps,
): Pick<Login, 'context' | 'kubeconfig'> {
  if (context.file === undefined) return {}
  const listed = env['KUBECONFIG'] ? env['KUBECONFIG'].split(delimiter) : []
  const files = request.kubeconfig === undefined ? listed : [request.kubeconfig]
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

async function keep(
  engine: Engine,
  host: string,
  { username: name, secret }: { readonly username: string; readonly secret: string },
  env: Env,
): Promise<void> {
  const text = await read(engine.config)
  const config = parseConfig(engine.config, text?.trim() ? text : '{}')
  const store = storeFor(engine, config, host)
  if (store !== undefined) await storeCredential(store, { host, username: name, secret }, env)
  await edit(engine, (edited) => {
    if (edited.credHelpers?.[host] === helperName) forget(edited, host, helperName)
    if (store === undefined) setPassword(edited, host, name, secret)
    else markStored(edited, host)
  })
}

/**
 * Returns the program that keeps this host's credentials instead of the file; trow's own helper keeps none.
 */
function storeFor(engine: Engine, config: EngineConfig, host: string): string | undefined {
  const own = config.credHelpers?.[host]
  const store = own === undefined || own === helperName ? undefined : own
  // Only docker has one for all hosts. An empty name means the file itself.
  return (store ?? (engine.name === 'docker' ? config.credsStore : undefined)) || undefined
}

/** Throws UserError CERTIFICATE_ONLY if no engine can show the certificate of a kube context, TOKEN_EXPIRED. */
function needUsable(
  request: LoginRequest,
  context: KubeContext,
  { cert }: Extract<RegistryCredential, { kind: 'certificate' }>,
): void {
  const able = process.platform === 'linux' && !request.helper
  if (!able || (!request.docker && !request.podman)) {
    throw new UserError(
      'CERTIFICATE_ONLY',
      `context "${context.name}" holds a client certificate, which is no password: an engine's config cannot keep it`,
      {
        hint: `${needsServiceAccount}${able ? '\n  --docker or --podman puts the certificate itself where the engine shows it to the registry.' : ''}`,
        exitCode: exitCode.failed,
      },
    )
  }
  if (describeCertificate(cert).until <= Date.now()) {
    throw new UserError('TOKEN_EXPIRED', `the certificate of context "${context.name}" has expired`, {
      hint: 'Get a new one, as for kubectl.',
    })
  }
}

async function useCertificate(
  request: LoginRequest,
  pair: Extract<RegistryCredential, { kind: 'certificate' }>,
  way: Login,
  deps: LoginDeps,
): Promise<LoginOutcome> {
  const { env } = deps
  const { name, until } = describeCertificate(pair.cert)
  let files = way.files
  for (const engine of chosenEngines(request, env)) {
    files = [...new Set([...files, ...(await writeCertificate(engine, request.host, pair, files))])]
    // Recorded before the next write may fail, so that a logout finds the files.
    await writeLogin(env, request.host, { ...way, files })
    // Engines prefer a password to the certificate.
    const text = await read(engine.config)
    if (text !== undefined) await edit(engine, (config) => void forget(config, request.host, helperName))
    if (engine.name === 'docker') deps.onSharedCertificate()
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
