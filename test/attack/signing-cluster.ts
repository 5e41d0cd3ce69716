import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { stringify } from 'yaml'
import { startGated, type GatedServer } from '../support/gated-server.ts'
import { failure, reply, startFakeApiServer, type FakeApiServer } from '../support/fake-api-server.ts'

export const issuer = 'https://kubernetes.default.svc.cluster.local'

/** An API server that counts its requests. Its signing keys are real, and its answers have the real form. */
export interface SigningCluster {
  readonly api: FakeApiServer
  /** Tokens of the TokenReviews so far. */
  readonly reviewed: string[]
  /** `namespace/name` of the repositories in the SubjectAccessReviews so far. */
  readonly asked: string[]
  /** A token of a service account, as TokenRequest gives it. */
  token(claims?: Readonly<Record<string, unknown>>): Promise<string>
  close(): Promise<void>
}

export async function startSigningCluster({ keys = true } = {}): Promise<SigningCluster> {
  const pair = await generateKeyPair('RS256')
  const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'cluster-1', alg: 'RS256', use: 'sig' }
  const reviewed: string[] = []
  const asked: string[] = []
  const issued = new Set<string>(['k8s-aws-v1.right'])
  const api = await startFakeApiServer(({ path, body }, response) => {
    if (path === '/.well-known/openid-configuration') {
      if (!keys) return failure(response, 403, 'forbidden')
      return reply(response, 200, { issuer, jwks_uri: `${issuer}/openid/v1/jwks` })
    }
    if (path === '/oidc/.well-known/openid-configuration')
      return reply(response, 200, { issuer: `${api.url}/oidc`, jwks_uri: `${api.url}/openid/v1/jwks` })
    if (path === '/openid/v1/jwks') return reply(response, 200, { keys: [jwk] })
    if (path.endsWith('/tokenreviews')) {
      const token = String(body?.spec?.['token'])
      reviewed.push(token)
      const user = { username: 'system:serviceaccount:team:builder', groups: ['system:serviceaccounts'] }
      const status = issued.has(token)
        ? { authenticated: true, user, audiences: ['trow'] }
        : { authenticated: false, error: 'invalid bearer token' }
      return reply(response, 201, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', status })
    }
    if (path.endsWith('/subjectaccessreviews')) {
      const { namespace, name } = (body?.spec?.['resourceAttributes'] ?? {}) as Record<string, string>
      asked.push(`${namespace}/${name}`)
      const allowed = namespace === 'public' || body?.spec?.['user'] !== 'system:anonymous'
      return reply(response, 201, {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        status: { allowed },
      })
    }
    return failure(response, 404, 'not found')
  })
  let ids = 0
  return {
    api,
    reviewed,
    asked,
    async token(claims = {}) {
      const now = Math.floor(Date.now() / 1000)
      const token = await new SignJWT({
        sub: 'system:serviceaccount:team:builder',
        jti: `t${++ids}`,
        ...claims,
      })
        .setProtectedHeader({ alg: 'RS256', kid: 'cluster-1' })
        .setIssuer(issuer)
        .setAudience(['trow'])
        .setIssuedAt(now)
        .setExpirationTime(now + 3600)
        .sign(pair.privateKey)
      issued.add(token)
      return token
    },
    close: () => api.close(),
  }
}

/** A registry whose access control uses this cluster. */
export function startInCluster(
  { api }: SigningCluster,
  folder: string,
  settings: Readonly<Record<string, unknown>> = {},
  args: readonly string[] = [],
): Promise<GatedServer> {
  const kubeconfig = join(folder, 'kubeconfig')
  const context = { name: 'fake', context: { cluster: 'fake', user: 'registry' } }
  writeFileSync(
    kubeconfig,
    stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'fake', cluster: { server: api.url } }],
      users: [{ name: 'registry', user: { token: 'own-credential' } }],
      contexts: [context],
      'current-context': 'fake',
    }),
    { mode: 0o600 },
  )
  return startGated({ kubernetes: true, kubeconfig, ...settings }, ['--workers', '2', ...args])
}

/** A JWT that nobody has signed. */
export function forged(
  claims: unknown,
  header: unknown = { alg: 'RS256', kid: 'cluster-1' },
  signature = 'c2lnbmF0dXJl',
): string {
  const part = (value: unknown): string =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
  return `${part(header)}.${part(claims)}.${signature}`
}
