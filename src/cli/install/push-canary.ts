import { readClaims } from '../../cluster/unverified-jwt.ts'
import { names, ports } from '../../cluster/layout.ts'
import { ServiceDialer } from '../../cluster/service-dialer.ts'
import { requestToken } from '../../cluster/token-request.ts'
import { bundleOf } from '../../cluster/config-data.ts'
import type { CanaryImage } from '../../install/canary-image.ts'
import { parseRepositoryName } from '../../oci/repository-name.ts'
import { parseTag } from '../../oci/tag.ts'
import type { HttpRegistryOptions } from '../../upstream/registry-http.ts'
import type { OpenCluster } from '../cluster/cluster-options.ts'
import { dialFault } from '../upstream/upstream-errors.ts'
import type { RegistryWay } from '../upstream/registry-way.ts'
import { withPusher } from '../upstream/with-pusher.ts'

/** Milliseconds to wait for a pod that is ready, at each connection. */
const patience = 30_000
/** Seconds; the API server gives no less. */
const tokenLife = 600

/** Through the API server, as whoever installs. Throws UserError as `explainUpstream` has it. */
export async function pushCanary(
  image: CanaryImage,
  { cluster, signal }: { readonly cluster: OpenCluster; readonly signal: AbortSignal },
): Promise<void> {
  const { objects, layout } = cluster
  const { namespace } = layout
  const map = await objects.get({ apiVersion: 'v1', kind: 'ConfigMap', name: names.bundle, namespace })
  const dialer = new ServiceDialer(objects, { namespace, service: names.service, port: ports.service })
  const way: RegistryWay = {
    // The name inside the cluster, which every certificate of this install has.
    origin: `https://${layout.imageHost}`,
    ca: bundleOf(map)?.certificates,
    dial: () =>
      dialer.dial(patience, signal).catch((error: unknown) => {
        throw dialFault(error)
      }),
    ...(await identity(cluster)),
  }
  await withPusher(way, async (pusher) => {
    const repository = parseRepositoryName(image.repository)
    for (const { digest, content } of image.blobs) {
      await pusher.pushBlob(repository, { digest, size: content.length, open: (from) => rest(content, from) })
    }
    const manifest = { mediaType: image.mediaType, body: image.manifest }
    await pusher.pushManifest(repository, parseTag(image.tag), manifest)
  })
}

/**
 * What the kubeconfig holds, where the registry knows it: a certificate of the cluster, a token meant for it. A token for
 * the API server alone is not shown to anybody else: then it is one of the registry's own service account.
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
