import type { ClusterConnection } from './cluster-connection.ts'
import { ClusterFault } from './cluster-fault.ts'

export interface TokenRequestOptions {
  readonly namespace: string
  readonly serviceAccount: string
  readonly audiences: readonly string[]
  /** At least 600. The API server may shorten a longer lifetime, never below 600. */
  readonly seconds: number
  /** The token expires with this object: a Pod, Node or Secret. */
  readonly boundTo?: {
    readonly apiVersion: string
    readonly kind: string
    readonly name: string
    readonly uid?: string
  }
}

/** TokenRequest of a service account (`create` on `serviceaccounts/token`). Throws ClusterFault. */
export async function requestToken(
  connection: ClusterConnection,
  { namespace, serviceAccount, audiences, seconds, boundTo }: TokenRequestOptions,
): Promise<{ readonly token: string; /** Milliseconds since the epoch. */ readonly until: number }> {
  const { status } = await connection.ask(({ core }, options) =>
    core.createNamespacedServiceAccountToken(
      {
        namespace,
        name: serviceAccount,
        body: {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenRequest',
          spec: {
            audiences: [...audiences],
            expirationSeconds: seconds,
            ...(boundTo === undefined ? {} : { boundObjectRef: boundTo }),
          },
        },
      },
      options,
    ),
  )
  const { token, expirationTimestamp } = status ?? {}
  if (token === undefined || expirationTimestamp === undefined) {
    throw new ClusterFault('refused', 'the API server answered a TokenRequest without a token')
  }
  return { token, until: expirationTimestamp.getTime() }
}
