import { readClaims } from '../../cluster/unverified-jwt.ts'
import { names, ports } from '../../cluster/layout.ts'
import { ServiceDialer } from '../../cluster/service-dialer.ts'
import { requestToken } from '../../cluster/token-request.ts'
import { bundleOf } from '../../cluster/config-data.ts'
import type { CanaryImage } from '../../oci/canary-image.ts'
import { parseRepositoryName } from '../../oci/repository-name.ts'
import { parseTag } from '../../oci/tag.ts'
import type { HttpRegistryOptions } from '../../upstream/registry-http.ts'
import type { OpenCluster } from '../cluster/cluster-options.ts'
import type { Terminal } from '../streams.ts'
import type { RegistryWay } from '../way/registry-way.ts'
import { dialFault } from '../way/upstream-errors.ts'
import { withPusher } from '../way/with-way.ts'

/** Milliseconds that each connection waits for a ready pod. */
const patience = 30_000
/** Seconds; the shortest life that the API server grants. */
const tokenLife = 600

/**
 * Pushes through the API server, with the identity of the user who installs. Throws UserError as
 * `explainUpstream`.
 */
export async function pushCanary(
  image: CanaryImage,
  {
    cluster,
    signal,
    terminal,
  }: {
    readonly cluster: OpenCluster
    readonly signal: AbortSignal
    readonly terminal: Pick<Terminal, 'stderr'>
  },
): Promise<void> {
  const { objects, layout } = cluster
  const { namespace } = layout
  const map = await objects.get({ apiVersion: 'v1', kind: 'ConfigMap', name: names.bundle, namespace })
  const dialer = new ServiceDialer(objects, { namespace, service: names.service, port: ports.service })
  const way: RegistryWay = {
    // The Service's name inside the cluster, which every certificate of this install contains.
    origin: `https://${layout.imageHost}`,
    ca: bundleOf(map)?.certificates,
    dial: () =>
      dialer.dial(patience, signal).catch((error: unknown) => {
        throw dialFault(error)
      }),
    ...(await identity(cluster)),
  }
  await withPusher(way, terminal, async (pusher) => {
    const repository = parseRepositoryName(image.repository)
    for (const { digest, content } of image.blobs) {
      await pusher.pushBlob(repository, { digest, size: content.length, open: (from) => rest(content, from) })
    }
    const manifest = { mediaType: image.mediaType, body: image.manifest }
    await pusher.pushManifest(repository, parseTag(image.tag), manifest)
  })
}

/**
 * Returns the kubeconfig's credential if the registry accepts it: a client certificate of the cluster, or a
 * token with the registry's audience. A token for the API server alone is not sent to the registry; a token
 * of the registry's own service account is requested instead.
 */
async function identity({
  credentials,
  objects,
  layout,
}: OpenCluster): Promise<Pick<HttpRegistryOptions, 'certificate' | 'credentials'>> {
  const { certificate, token } = await credentials.current()
  if (certificate !== undefined && token === undefined) return { certificate, credentials: undefined }
  if (token !== undefined && (readClaims(token)?.audiences ?? []).includes('trow'))
    return { credentials: { username: 'trow', password: token } }
  const own = await requestToken(objects.connection, {
    namespace: layout.namespace,
    serviceAccount: names.serviceAccount,
    audiences: ['trow'],
    seconds: tokenLife,
  })
  return { credentials: { username: 'trow', password: own.token } }
}

async function* rest(content: Uint8Array, from: number): AsyncIterable<Uint8Array> {
  yield content.subarray(from)
}
