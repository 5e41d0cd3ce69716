import { ClusterFault } from '../../cluster/cluster-fault.ts'
import { CredentialSource } from '../../cluster/credential-source.ts'
import { credentialKind, type KubeContext } from '../../cluster/kube-context.ts'
import { readClaims } from '../../cluster/unverified-jwt.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { explainFault } from '../cluster/cluster-problem.ts'
import type { Env } from './engine.ts'

/** The audience of tokens that are meant for the registry. */
const audience = 'trow'

export interface CredentialWish {
  readonly context: KubeContext
  /** `NAMESPACE/NAME`; undefined: what the context itself holds. */
  readonly serviceAccount: string | undefined
  /** How long a service account's token is to hold. */
  readonly seconds: number
  readonly env: Env
  readonly interactive: boolean
  readonly now: () => number
}

export type RegistryCredential =
  | {
      readonly kind: 'token'
      readonly token: string
      /** Milliseconds since the epoch. Undefined: nobody has said. */
      readonly until: number | undefined
      /** Where it is from, in words. */
      readonly origin: string
      /** It is one for the API server: its audiences, none where it names none. Undefined: it is one for the registry. */
      readonly otherAudiences: readonly string[] | undefined
    }
  | { readonly kind: 'certificate'; readonly cert: string; readonly key: string }

/**
 * What a registry can be shown on behalf of a kube context. Throws UserError CLUSTER_UNREACHABLE, CLUSTER_NOT_PERMITTED,
 * CLUSTER_REFUSED, SERVICE_ACCOUNT_INVALID, SERVICE_ACCOUNT_MISSING, TOKEN_EXPIRED, NO_CREDENTIAL, and those of
 * `CredentialSource`.
 */
export async function registryCredential(wish: CredentialWish): Promise<RegistryCredential> {
  const { context, env, interactive, now } = wish
  const source = new CredentialSource(context, { env, interactive, now })
  if (wish.serviceAccount !== undefined) return serviceAccountToken(wish, wish.serviceAccount, source)
  const { token, certificate, until } = await source.current()
  if (token !== undefined) {
    if (until !== undefined && until <= now()) throw expired(context, until)
    const audiences = readClaims(token)?.audiences ?? []
    return {
      kind: 'token',
      token,
      until,
      origin: `${originWords(context)} of context "${context.name}"`,
      otherAudiences: audiences.includes(audience) ? undefined : audiences,
    }
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

async function serviceAccountToken(
  wish: CredentialWish,
  serviceAccount: string,
  credentials: CredentialSource,
): Promise<RegistryCredential> {
  const { context, seconds } = wish
  const [, namespace = context.namespace ?? 'default', name] =
    /^(?:([a-z0-9-]{1,63})\/)?([a-z0-9.-]{1,253})$/.exec(serviceAccount) ?? []
  if (name === undefined) {
    throw new UserError('SERVICE_ACCOUNT_INVALID', `"${serviceAccount}" is no service account`, {
      hint: 'Write NAMESPACE/NAME.',
      exitCode: exitCode.usage,
    })
  }
  // Loaded here: the client library takes half a second, and most logins do not ask the cluster.
  const { connectCluster } = await import('../../cluster/cluster-connection.ts')
  const { requestToken } = await import('../../cluster/token-request.ts')
  const connection = await connectCluster({ context, credentials, timeout: 10_000 })
  try {
    const { token, until } = await requestToken(connection, {
      namespace,
      serviceAccount: name,
      audiences: [audience],
      seconds,
    })
    const origin = `a token of service account ${namespace}/${name}`
    return { kind: 'token', token, until, origin, otherAudiences: undefined }
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
