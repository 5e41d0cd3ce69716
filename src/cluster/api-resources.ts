import type { ClusterConnection } from './cluster-connection.ts'
import { ClusterFault } from './cluster-fault.ts'
import { z } from 'zod'
import { parseAnswer } from './kube-json.ts'

/** meta/v1 APIResourceList. */
const resourcesSchema = z.object({
  resources: z.array(z.object({ name: z.string(), kind: z.string(), namespaced: z.boolean() })),
})

/** How the API server serves a kind. */
export interface ApiResource {
  /** `/apis/apps/v1`. */
  readonly root: string
  /** `statefulsets`. */
  readonly plural: string
  readonly namespaced: boolean
}

/** Which kinds are served, and where: the API's discovery, asked once per group and version. */
export class ApiResources {
  readonly #connection: ClusterConnection
  readonly #known = new Map<string, Promise<ReadonlyMap<string, ApiResource>>>()

  constructor(connection: ClusterConnection) {
    this.#connection = connection
  }

  /** Returns `undefined` if the server does not know the kind, and asks anew each time. Rejects with ClusterFault. */
  async find(apiVersion: string, kind: string): Promise<ApiResource | undefined> {
    const known = this.#known.get(apiVersion)
    const found = (await known?.catch(() => undefined))?.get(kind)
    if (found !== undefined) return found
    // Another call may have started a discovery meanwhile.
    if (this.#known.get(apiVersion) === known) this.#ask(apiVersion)
    return (await this.#known.get(apiVersion))?.get(kind)
  }

  #ask(apiVersion: string): void {
    const asked = this.#discover(apiVersion)
    this.#known.set(apiVersion, asked)
    asked.catch(() => {
      if (this.#known.get(apiVersion) === asked) this.#known.delete(apiVersion)
    })
  }

  async #discover(apiVersion: string): Promise<ReadonlyMap<string, ApiResource>> {
    const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
    try {
      const { text } = await this.#connection.request({ method: 'GET', path: root })
      const { resources } = parseAnswer(this.#connection.server, text, resourcesSchema)
      const own = resources.filter(({ name }) => !name.includes('/'))
      return new Map(
        own.map(({ name, kind, namespaced }) => [kind, { root, plural: name, namespaced }] as const),
      )
    } catch (error) {
      if (error instanceof ClusterFault && error.status === 404) return new Map()
      throw error
    }
  }
}
