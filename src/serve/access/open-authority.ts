import { randomBytes, randomUUID, webcrypto } from 'node:crypto'
import { bcrypt } from '../../access/bcrypt.ts'
import { ClusterIssuer } from '../../access/cluster-issuer.ts'
import { FailureDelays, failureDrains } from '../../access/failures.ts'
import { KubernetesTokens } from '../../access/kubernetes-tokens.ts'
import { LocalAuthority } from '../../access/local-authority.ts'
import { NodeStandings } from '../../access/node-standings.ts'
import type { NodeCertificates } from '../../access/node-certificates.ts'
import type { OidcIssuer } from '../../access/oidc-issuer.ts'
import { OidcTokens } from '../../access/oidc.ts'
import { OwnTokens } from '../../access/own-tokens.ts'
import { LoginSources } from '../../access/login-sources.ts'
import { Passwords } from '../../access/passwords.ts'
import { Reviews } from '../../access/reviews.ts'
import { Robots } from '../../access/robots.ts'
import { SigningKeyRing } from '../../access/signing-keys.ts'
import { SharedFailures } from '../../access/shared-failures.ts'
import { Strangers } from '../../access/strangers.ts'
import { urisOf } from '../../cluster/node-origin.ts'
import type { ClusterPresence } from '../../cluster/presence.ts'
import type { ClusterReviews, ClusterTokenKeys } from '../../cluster/reviews.ts'
import type { Log } from '../../log.ts'
import type { AccessStore } from '../../metadata/access-store.ts'
import { fetchJson } from '../../access/json-fetch.ts'
import { reasonOf } from '../../reason-of.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import { tokenNames } from '../../settings/access-settings.ts'
import { usersChange, type FileChange } from '../audit/file-change.ts'
import { watchedHtpasswd } from './watched-htpasswd.ts'

export interface OpenAuthority {
  readonly authority: LocalAuthority
  readonly nodeCertificates: NodeCertificates
  /** From now on tokens of these issuers are accepted, and of no others. */
  setIssuers(issuers: readonly OidcIssuer[]): void
  close(): void
}

export interface AuthorityDeps {
  readonly store: AccessStore
  readonly log: Log
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /**
   * Receives the cluster's client CA, first at the start and then whenever it changes. Undefined: the cluster
   * no longer has one.
   */
  readonly onClientAuthority: (pem: string | undefined) => void
  /** Called when the htpasswd file was read again; undefined: the users in it are the same. */
  readonly onUsersChanged: (change: FileChange | undefined) => void
}

const day = 24 * 3_600_000
const nodeCertificateLife = 7 * day

/** Throws the UserErrors of htpasswd files, kubeconfigs and OIDC settings. */
export async function openAuthority(settings: Settings, deps: AuthorityDeps): Promise<OpenAuthority> {
  const { store, log } = deps
  const now = Date.now
  const closing: (() => void)[] = []
  const known = await LoginSources.open({ store, now, log: log })
  const shared = store.failures && new SharedFailures({ store: store.failures, drains: failureDrains })
  const delays = new FailureDelays({ now, known, shared })
  const strangers = new Strangers({ now, known })
  const ring = new SigningKeyRing({ store, now })
  const cluster = settings.kubernetes ? await openCluster(settings, deps, closing) : undefined
  const openIssuers = (issuers: readonly OidcIssuer[]): OidcTokens | undefined =>
    issuers.length === 0 ? undefined : new OidcTokens({ issuers, fetchJson, now })
  let issuers: readonly OidcIssuer[] = settings.oidc
  let oidc = openIssuers(issuers)
  const authority = new LocalAuthority({
    now,
    strangers,
    ring,
    ownTokens: new OwnTokens({ ...tokenNames, signingKeys: () => ring.keys(), now, newId: randomUUID }),
    robots: new Robots({ store, delays, now }),
    passwords: openPasswords(settings, { delays, deps, closing }),
    kubernetes:
      cluster &&
      new KubernetesTokens({
        cluster: cluster.reviews,
        issuer: new ClusterIssuer({ keys: cluster.keys, now }),
        now,
        apiServerTokens: settings['api-server-tokens'],
      }),
    oidc: () => oidc,
    reviews: cluster && new Reviews({ cluster: cluster.reviews, now, strangers }),
    nodes: cluster && new NodeStandings({ presence: cluster.presence, agents: settings['node-agents'], now }),
  })
  return {
    authority,
    nodeCertificates: await openNodeCertificates(settings, deps, closing),
    setIssuers(changed) {
      // Keys that were fetched stay where the issuers are the same.
      if (JSON.stringify(changed) === JSON.stringify(issuers)) return
      issuers = changed
      oidc = openIssuers(changed)
    },
    close: () => {
      for (const close of closing) close()
    },
  }
}

function openPasswords(
  settings: Settings,
  parts: { readonly delays: FailureDelays; readonly deps: AuthorityDeps; readonly closing: (() => void)[] },
): Passwords | undefined {
  const { htpasswd } = settings
  if (htpasswd === undefined) return undefined
  const { delays, deps } = parts
  const file = watchedHtpasswd(htpasswd, deps.log)
  const passwords = new Passwords({
    users: file.current,
    bcrypt,
    delays,
    now: Date.now,
    key: randomBytes(32),
  })
  file.onChange((next, before) => {
    passwords.replace(next)
    deps.onUsersChanged(usersChange(htpasswd, before, next))
  })
  parts.closing.push(() => file.close())
  return passwords
}

/** Loads the Kubernetes client library only where there is a cluster: it takes half a second to load. */
async function openCluster(
  settings: Settings,
  { env, cwd, log, onClientAuthority }: AuthorityDeps,
  closing: (() => void)[],
): Promise<{
  readonly reviews: ClusterReviews
  readonly presence: ClusterPresence
  readonly keys: ClusterTokenKeys
}> {
  const [
    { loadKubeContext },
    { CredentialSource },
    { connectCluster },
    { KubernetesReviews },
    { KubernetesPresence },
    { KubernetesTokenKeys },
    { ReportedReviews },
    { followClientCa },
  ] = await Promise.all([
    import('../../cluster/kubeconfig.ts'),
    import('../../cluster/credential-source.ts'),
    import('../../cluster/cluster-connection.ts'),
    import('../../cluster/kubernetes-reviews.ts'),
    import('../../cluster/kubernetes-presence.ts'),
    import('../../cluster/kubernetes-token-keys.ts'),
    import('../../cluster/reported-reviews.ts'),
    import('../../cluster/client-ca.ts'),
  ])
  const context = loadKubeContext({ env, cwd, kubeconfig: settings.kubeconfig })
  const credentials = new CredentialSource(context, { env, interactive: false, now: Date.now })
  const connection = await connectCluster({ context, credentials })
  closing.push(() => void connection.close())
  const authority = await followClientCa({ connection, log })
  closing.push(() => authority.close())
  if (authority.pem !== undefined) onClientAuthority(authority.pem)
  authority.onChange(onClientAuthority)
  const reviews = new ReportedReviews({
    reviews: new KubernetesReviews(connection),
    presence: new KubernetesPresence(connection),
    log,
    now: Date.now,
  })
  return { reviews, presence: reviews, keys: new KubernetesTokenKeys({ connection, log }) }
}

/** Signs with trow's own CA, which is created here if none was given. */
async function openNodeCertificates(
  settings: Settings,
  { log }: AuthorityDeps,
  closing: (() => void)[],
): Promise<NodeCertificates> {
  if (!settings.kubernetes)
    return {
      issue: () => Promise.resolve({ ok: false, reason: 'there is no cluster whose nodes these could be' }),
    }
  const [{ openSigningAuthority }, { issueNodeCertificate }] = await Promise.all([
    import('../tls/signing-authority.ts'),
    import('../../certificates/certificate-authority.ts'),
  ])
  // Main watches the same files, and says what is different in them.
  const source = await openSigningAuthority(settings, log, () => undefined)
  closing.push(() => source.close())
  return {
    async issue(node, request) {
      try {
        const options = { node: node.name, uris: urisOf(node), request, life: nodeCertificateLife }
        const chain = await issueNodeCertificate(source.current.authority, options, webcrypto as Crypto)
        return { ok: true, chain }
      } catch (error) {
        return {
          ok: false,
          reason: `it is no PKCS #10 request in PEM that is signed: ${reasonOf(error)}`,
        }
      }
    },
  }
}
