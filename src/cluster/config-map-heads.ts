import type { ClusterConnection } from './cluster-connection.ts'
import { z } from 'zod'
import { parseAnswer } from './kube-json.ts'

const texts = z.record(z.string(), z.string()).optional()

/** Texts in `data` of an existing ConfigMap. All methods reject with ClusterFault. */
export class ConfigMapHeads {
  readonly name: string
  readonly #connection: ClusterConnection
  readonly #path: string

  constructor(connection: ClusterConnection, place: { readonly namespace: string; readonly name: string }) {
    this.#connection = connection
    this.name = `ConfigMap ${place.name} in namespace ${place.namespace}`
    this.#path = `/api/v1/namespaces/${place.namespace}/configmaps/${place.name}`
  }

  async read(signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    const { text } = await this.#connection.request({ method: 'GET', path: this.#path, signal })
    return parseAnswer(this.#connection.server, text, z.object({ data: texts })).data ?? {}
  }

  /** A merge patch (RFC 7386): keys that are not given keep their text. */
  async write(data: Readonly<Partial<Record<string, string>>>, signal: AbortSignal): Promise<void> {
    const path = `${this.#path}?fieldManager=trow-registry`
    const contentType = 'application/merge-patch+json'
    await this.#connection.request({ method: 'PATCH', path, body: { data }, contentType, signal })
  }
}
