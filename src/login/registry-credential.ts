import { ClusterFault } from '../cluster/cluster-fault.ts'
import { CredentialSource } from '../cluster/credential-source.ts'
import { credentialKind, type KubeContext } from '../cluster/kube-context.ts'
import { readClaims } from '../cluster/unverified-jwt.ts'
import { exitCode, UserError } from '../user-error.ts'
import { explainFault } from '../cluster/cluster-problem.ts'
import { needApiTokenConsent, type AskConsent } from './api-token-consent.ts'
import type { Env } from './engine.ts'

/** The audience of tokens that only the registry accepts. */
const audience = 'trow'

export interface RegistryCredentialOptions {
  readonly context: KubeContext
  /** The registry that receives the credential, as image references write it. */
  readonly registry: string
  /** `NAMESPACE/NAME`; `undefined` means the credential of the context itself. */
  readonly serviceAccount: string | undefined
  /** The life of a service account's token, in seconds. */
  readonly seconds: number
  /**
   * True if the receiver connects to the registry by TLS and can present a certificate; an engine's
   * configuration cannot.
   */
  readonly takesCertificate: boolean
  /** True if the user has agreed for this run that the registry receives a token for the API server. */
  readonly isApiTokenShared: boolean
  /** `undefined` if no question can be asked; credential plug-ins may then not ask either. */
  readonly askConsent: AskConsent | undefined
  readonly env: Env
}

export type RegistryCredential =
  | {
      readonly kind: 'token'
      readonly token: string
      /** Milliseconds since the epoch. `undefined` if it is not known. */
      readonly until: number | undefined
      /** The source of the token, as text. */
      readonly origin: string
      /** True if the API server accepts it too; the user has agreed to send it to the registry. */
      readonly isForApiServer: boolean
    }
  | { readonly kind: 'certificate'; readonly cert: string; readonly key: string }

/**
 * Returns the credential of a kube context for a registry, if possible one that only the registry accepts. In
 * this order: a token with audience `trow`; a client certificate (its key is not sent); a token of the
 * context's own service account by TokenRequest. A token for the API server is sent only with the user's
 * consent. Throws UserError API_TOKEN_NOT_SHARED, CLUSTER_UNREACHABLE, CLUSTER_NOT_PERMITTED,
 * CLUSTER_REFUSED, SERVICE_ACCOUNT_INVALID, SERVICE_ACCOUNT_MISSING, TOKEN_EXPIRED, NO_CREDENTIAL, and those
 * of `CredentialSource`.
 */
export async function registryCredential(options: RegistryCredentialOptions): Promise<RegistryCredential> {
  const { context, env, askConsent } = options
  const interactive = askConsent !== undefined
  const source = new CredentialSource(context, { env, interactive, now: Date.now })
  if (options.serviceAccount !== undefined) {
    return requestedToken(options, parseServiceAccount(options.serviceAccount, context), source)
  }
  const { token, certificate, until } = await source.current()
  if (token !== undefined && !(options.takesCertificate && certificate !== undefined)) {
    if (until !== undefined && until <= Date.now()) throw expired(context, until)
    const { audiences = [], subject } = readClaims(token) ?? {}
    const own = {
      kind: 'token',
      token,
      until,
      origin: `${originWords(context)} of context "${context.name}"`,
    } as const
    if (audiences.includes(audience)) return { ...own, isForApiServer: false }
    const requested = await ownToken(options, subject, source)
    if (requested !== undefined) return requested
    const { registry, isApiTokenShared: isShared } = options
    await needApiTokenConsent({ context, registry, isShared }, env, askConsent)
    return { ...own, isForApiServer: true }
  }
  if (certificate !== undefined) return { kind: 'certificate', ...certificate }
  throw new UserError(
    'NO_CREDENTIAL',
    credentialKind(context.user) === 'basic'
      ? `context "${context.name}" holds a password, which only its API server knows`
      : `context "${context.name}" holds no credential`,
    { hint: needsServiceAccount },
  )
}

export const needsServiceAccount =
  '--service-account NAMESPACE/NAME asks the cluster for a short-lived token of that account.'

interface ServiceAccount {
  readonly namespace: string
  readonly name: string
}

function parseServiceAccount(text: string, context: KubeContext): ServiceAccount {
  const [, namespace = context.namespace ?? 'default', name] =
    /^(?:([a-z0-9-]{1,63})\/)?([a-z0-9.-]{1,253})$/.exec(text) ?? []
  if (name !== undefined) return { namespace, name }
  throw new UserError('SERVICE_ACCOUNT_INVALID', `"${text}" is no service account`, {
    hint: 'Write NAMESPACE/NAME.',
    exitCode: exitCode.usage,
  })
}

/**
 * The context belongs to a service account, which may request a token for itself that only the registry
 * accepts.
 */
async function ownToken(
  options: RegistryCredentialOptions,
  subject: string | undefined,
  source: CredentialSource,
): Promise<RegistryCredential | undefined> {
  const [, namespace, name] = /^system:serviceaccount:([a-z0-9-]+):([a-z0-9.-]+)$/.exec(subject ?? '') ?? []
  if (namespace === undefined || name === undefined || options.context.user.impersonate !== undefined)
    return undefined
  try {
    return await requestedToken(options, { namespace, name }, source)
  } catch (error) {
    if (error instanceof UserError) return undefined
    throw error
  }
}

async function requestedToken(
  { context, seconds }: RegistryCredentialOptions,
  { namespace, name }: ServiceAccount,
  credentials: CredentialSource,
): Promise<RegistryCredential> {
  // Loaded here: the client library takes half a second, and most logins do not need the cluster.
  const { connectCluster } = await import('../cluster/cluster-connection.ts')
  const { requestToken } = await import('../cluster/token-request.ts')
  const connection = await connectCluster({ context, credentials, timeout: 10_000 })
  try {
    const { token, until } = await requestToken(connection, {
      namespace,
      serviceAccount: name,
      audiences: [audience],
      seconds,
    })
    const origin = `a token of service account ${namespace}/${name}`
    return { kind: 'token', token, until, origin, isForApiServer: false }
  } catch (error) {
    throw explained(error, context, namespace, name)
  } finally {
    await connection.close()
  }
}

function originWords({ user: { token } }: KubeContext): string {
  switch (token?.kind) {
    case 'exec':
      return `the token of plug-in ${token.plugin.command}`
    case 'oidc':
      return `the id token of ${token.provider.issuer}`
    case 'token-file':
      return `the token in ${token.file}`
    case 'token':
    case 'basic':
    case 'unsupported':
    case undefined:
      return 'the token'
  }
}

function expired(context: KubeContext, until: number): UserError {
  return new UserError(
    'TOKEN_EXPIRED',
    `the token of context "${context.name}" has expired at ${new Date(until).toISOString()}`,
    { hint: 'Log in at the cluster again, as for kubectl.' },
  )
}

function explained(error: unknown, context: KubeContext, namespace: string, name: string): unknown {
  if (error instanceof ClusterFault && error.status === 404) {
    return new UserError('SERVICE_ACCOUNT_MISSING', `there is no service account ${namespace}/${name}`, {
      cause: error,
    })
  }
  const needs = `You need "create" on serviceaccounts/token of ${name} in namespace ${namespace}.`
  return explainFault(error, context, needs)
}
