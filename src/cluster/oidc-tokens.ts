import { open, readFile, rm, stat } from 'node:fs/promises'
import { request } from 'node:https'
import type { ClientAuth } from 'openid-client'
import { parseDocument } from 'yaml'
import { errorCode } from '../error-code.ts'
import { UserError } from '../user-error.ts'
import type { OidcProvider } from './kube-context.ts'
import { readPem } from './pem-source.ts'
import { replaceFile } from './replace-file.ts'
import { readClaims } from './unverified-jwt.ts'

/** As in kubectl, a token that expires within these milliseconds is refreshed. */
const margin = 10_000

/**
 * Returns the id token of kubectl's `oidc` auth-provider, refreshed if it has expired. Some issuers accept a refresh
 * token only once, so the new tokens are written back into the kubeconfig, under kubectl's lock (`<file>.lock`). Throws
 * UserError OIDC_REFRESH_FAILED.
 */
export async function currentIdToken(provider: OidcProvider, now: () => number): Promise<string> {
  if (isGood(provider.idToken, now)) return provider.idToken
  return underLock(provider.keptIn.file, async () => {
    // Another program may have refreshed the token since the file was read.
    const kept = await readKept(provider)
    if (isGood(kept.idToken, now)) return kept.idToken
    if (kept.refreshToken === undefined || provider.issuer === '' || provider.clientId === '') {
      throw refreshFailed(provider, 'it has ended, and there is no refresh token with issuer and client id')
    }
    const fresh = await refresh(provider, kept.refreshToken)
    await writeKept(provider, fresh)
    return fresh.idToken
  })
}

interface KeptTokens {
  readonly idToken: string | undefined
  readonly refreshToken: string | undefined
}

function isGood(token: string | undefined, now: () => number): token is string {
  const until = token === undefined ? undefined : readClaims(token)?.until
  return until !== undefined && until > now() + margin
}

async function refresh(
  provider: OidcProvider,
  refreshToken: string,
): Promise<{ readonly idToken: string; readonly refreshToken: string }> {
  // Loaded on demand: most kubeconfigs have no such provider.
  const oidc = await import('openid-client')
  const ca = provider.ca === undefined ? undefined : await readPem(provider.ca)
  const { clientSecret } = provider
  try {
    const configuration = await oidc.discovery(
      new URL(provider.issuer),
      provider.clientId,
      undefined,
      clientSecret === undefined ? oidc.None() : basic(provider.clientId, clientSecret),
      {
        timeout: 15,
        ...(ca === undefined
          ? {}
          : { [oidc.customFetch]: (url: string, init: object) => fetchTrusting(ca, url, init) }),
      },
    )
    const tokens = await oidc.refreshTokenGrant(configuration, refreshToken)
    if (tokens.id_token === undefined) throw new Error('the answer holds no id_token')
    return { idToken: tokens.id_token, refreshToken: tokens.refresh_token ?? refreshToken }
  } catch (cause) {
    // The issuer's texts are left out: they might contain a secret.
    const { error, code } = cause as { error?: string; code?: string }
    throw refreshFailed(provider, `${provider.issuer} gave none (${error ?? code ?? 'no answer'})`, cause)
  }
}

/**
 * HTTP Basic as in RFC 6749, 2.3.1, escaped as kubectl does. The library also escapes `-`, which is allowed; but an
 * issuer that does not unescape would then see another secret.
 */
function basic(clientId: string, clientSecret: string): ClientAuth {
  const pair = [clientId, clientSecret]
    .map((part) => encodeURIComponent(part).replaceAll('%20', '+'))
    .join(':')
  return (_, __, ___, headers) =>
    headers.set('authorization', `Basic ${Buffer.from(pair).toString('base64')}`)
}

interface FetchInit {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string | URLSearchParams | null
  readonly signal?: AbortSignal
}

/** The global fetch has no option for a CA. */
async function fetchTrusting(ca: string, url: string, init: FetchInit): Promise<Response> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        ca,
        method: init.method ?? 'GET',
        headers: init.headers ?? {},
        agent: false,
        ...(init.signal === undefined ? {} : { signal: init.signal }),
      },
      (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('error', reject)
        incoming.on('end', () => {
          const headers = { 'content-type': incoming.headers['content-type'] ?? '' }
          resolve(new Response(Buffer.concat(chunks), { status: incoming.statusCode ?? 500, headers }))
        })
      },
    )
    outgoing.on('error', reject)
    outgoing.end(init.body?.toString())
  })
}

async function readKept(provider: OidcProvider): Promise<KeptTokens> {
  const { file, user } = provider.keptIn
  const document = parseDocument(await readFile(file, 'utf8'))
  const config = configPath(document, user)
  const value = (key: string): string | undefined => {
    const found: unknown = config === undefined ? undefined : document.getIn([...config, key])
    return typeof found === 'string' && found !== '' ? found : undefined
  }
  return { idToken: value('id-token'), refreshToken: value('refresh-token') }
}

async function writeKept(
  provider: OidcProvider,
  fresh: { readonly idToken: string; readonly refreshToken: string },
): Promise<void> {
  const { file, user } = provider.keptIn
  const document = parseDocument(await readFile(file, 'utf8'))
  const config = configPath(document, user)
  if (config === undefined) return
  document.setIn([...config, 'id-token'], fresh.idToken)
  document.setIn([...config, 'refresh-token'], fresh.refreshToken)
  const { mode } = await stat(file)
  await replaceFile(file, document.toString({ lineWidth: 0 }), mode & 0o777)
}

function configPath(
  document: ReturnType<typeof parseDocument>,
  user: string,
): readonly (string | number)[] | undefined {
  const users = (document.toJS() as { users?: readonly { name?: string }[] } | null)?.users ?? []
  const index = users.findIndex((entry) => entry.name === user)
  return index < 0 ? undefined : ['users', index, 'user', 'auth-provider', 'config']
}

async function underLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  const lock = `${file}.lock`
  for (let attempt = 0; ; attempt++) {
    try {
      await (await open(lock, 'wx', 0o600)).close()
      break
    } catch (cause) {
      if (errorCode(cause) !== 'EEXIST' || attempt === 20) {
        throw new UserError('OIDC_REFRESH_FAILED', `${file} cannot be locked for a fresh token`, {
          hint: `Where no other program is at work, remove ${lock}.`,
          cause,
        })
      }
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  try {
    return await work()
  } finally {
    await rm(lock, { force: true })
  }
}

function refreshFailed(provider: OidcProvider, reason: string, cause?: unknown): UserError {
  return new UserError('OIDC_REFRESH_FAILED', `no id token for "${provider.keptIn.user}": ${reason}`, {
    hint: 'Log in at the issuer again, as for kubectl.',
    cause,
  })
}
