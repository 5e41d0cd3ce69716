import { isLoopback } from '../../loopback.ts'
import { UpstreamFault } from '../../upstream/upstream-fault.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CredentialOrigin, RegistryWay } from './registry-way.ts'

/** What is known of the way on which a fault occurred. */
type KnownWay = Pick<RegistryWay, 'credentialOrigin' | 'deniedHint'> & { readonly origin?: string }

/**
 * Converts an UpstreamFault: UserError REGISTRY_UNREACHABLE, REGISTRY_UNTRUSTED, REGISTRY_SPEAKS_HTTP,
 * REGISTRY_DENIED, REGISTRY_FAILED, MANIFEST_KEPT, or the UserError inside a fault of `dialFault`. Other
 * errors are returned unchanged.
 */
export function explainUpstream(error: unknown, way: KnownWay = {}): unknown {
  if (!(error instanceof UpstreamFault)) return error
  const { kind, message, cause, status } = error
  if (cause instanceof UserError) return cause
  switch (kind) {
    case 'unreachable':
    case 'given-up':
      return new UserError('REGISTRY_UNREACHABLE', message, {
        hint: 'Check the address, and whether the registry runs.',
        cause: error,
        exitCode: exitCode.unreachable,
      })
    case 'untrusted':
      return new UserError('REGISTRY_UNTRUSTED', message, {
        hint: 'Give the CA of the registry with --ca FILE.',
        cause: error,
        exitCode: exitCode.unreachable,
      })
    case 'not-tls':
      return new UserError('REGISTRY_SPEAKS_HTTP', message, {
        hint: isOnLoopback(way.origin)
          ? 'Leave out https://, and --ca.'
          : '--plain-http is for a registry without TLS: everybody on the way can read the password then.',
        cause: error,
        exitCode: exitCode.unreachable,
      })
    case 'denied':
      return new UserError('REGISTRY_DENIED', message, {
        hint: way.deniedHint ?? credentialHint(way, status === 403),
        cause: error,
        exitCode: exitCode.notPermitted,
      })
    case 'token-service':
      return new UserError('REGISTRY_FAILED', message, {
        hint: 'The registry names this service for logins: whoever runs the registry knows why it fails.',
        cause: error,
      })
    case 'kept':
      return new UserError('MANIFEST_KEPT', message, {
        hint: 'What another manifest needs goes after that one: an index first, then its children.',
        cause: error,
      })
    case 'missing':
    case 'unexpected-status':
    case 'malformed':
    case 'failed':
      return new UserError('REGISTRY_FAILED', message, { cause: error })
  }
}

const nobody: CredentialOrigin = { kind: 'none', problem: undefined }

function credentialHint({ credentialOrigin = nobody, origin }: KnownWay, isForbidden: boolean): string {
  const host = origin === undefined ? 'HOST' : new URL(origin).host
  const asking = 'Whoever runs the registry gives that right.'
  switch (credentialOrigin.kind) {
    case 'given':
      return isForbidden
        ? `It was asked as "${credentialOrigin.username}". ${asking}`
        : `Check the name "${credentialOrigin.username}" and its password.`
    case 'stored':
      return isForbidden
        ? `It was asked with the login in ${credentialOrigin.place}. ${asking}`
        : `The registry does not take the login in ${credentialOrigin.place}: trow login -u NAME ${host} replaces it.`
    case 'cluster':
      return asking
    case 'none': {
      const { problem } = credentialOrigin
      const why = problem === undefined ? '' : `\n  No login was found: ${problem}.`
      return `Nobody is logged in there: trow login -u NAME ${host}, or --username NAME here.${why}`
    }
  }
}

function isOnLoopback(origin: string | undefined): boolean {
  return origin !== undefined && isLoopback(new URL(origin).hostname.replaceAll(/[[\]]/g, ''))
}

/**
 * For a `dial` function of `upstream`: wraps a UserError in a fault, from which `explainUpstream` takes it
 * again. The wait for a ready pod has already taken its time, so that upstream retries only if the API server
 * did not answer.
 */
export function dialFault(error: unknown): unknown {
  if (!(error instanceof UserError)) return error
  const kind = error.code === 'CLUSTER_UNREACHABLE' ? 'unreachable' : 'given-up'
  return new UpstreamFault(kind, error.message, { cause: error })
}
