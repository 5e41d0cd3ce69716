import { z } from 'zod'
import { UserError } from '../user-error.ts'
import { ClusterFault } from './cluster-fault.ts'
import type { ClusterConnection } from './cluster-connection.ts'
import type { ClusterPresence } from './presence.ts'
import { ClusterUnavailable } from './reviews.ts'

/** Only the uid is needed, and a whole Node is large (its images alone take some 10 KB). */
const metadataOnly = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io'
const longest = 256 * 1024
const objectSchema = z.object({ metadata: z.object({ uid: z.string().min(1) }) })

/** Asks the API server on every call; caches nothing. Needs `get` on nodes and on the agents' service accounts. */
export class KubernetesPresence implements ClusterPresence {
  readonly #connection: ClusterConnection

  constructor(connection: ClusterConnection) {
    this.#connection = connection
  }

  nodeUid(name: string): Promise<string | undefined> {
    return this.#uidOf(`/api/v1/nodes/${encodeURIComponent(name)}`, 'nodes')
  }

  accountUid(namespace: string, name: string): Promise<string | undefined> {
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${encodeURIComponent(name)}`
    return this.#uidOf(path, `serviceaccounts of namespace ${namespace}`)
  }

  async #uidOf(path: string, what: string): Promise<string | undefined> {
    let text: string
    try {
      text = (await this.#connection.request({ method: 'GET', path, accept: metadataOnly })).text
    } catch (error) {
      if (error instanceof ClusterFault && error.status === 404) return undefined
      throw toUnavailable(error, what)
    }
    const parsed = text.length > longest ? undefined : objectSchema.safeParse(parseJson(text)).data
    if (parsed === undefined)
      throw new ClusterUnavailable('no answer of an API server: an object without a uid')
    return parsed.metadata.uid
  }
}

function toUnavailable(error: unknown, what: string): unknown {
  if (error instanceof UserError) return new ClusterUnavailable(error.message, { cause: error })
  if (!(error instanceof ClusterFault)) return error
  const { kind, message, retryAfter } = error
  const told =
    kind === 'forbidden'
      ? `trow may not get ${what}: templates/registry-rbac.yaml allows it (${message})`
      : message
  return new ClusterUnavailable(told, { retryAfter, cause: error })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
