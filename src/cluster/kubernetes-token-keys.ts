import { z } from 'zod'
import { ForeignJsonError, parseForeignJson } from '../foreign-json.ts'
import type { Log } from '../log.ts'
import { ClusterFault } from './cluster-fault.ts'
import type { ClusterConnection } from './cluster-connection.ts'
import type { ClusterTokenKeys } from './reviews.ts'
import { UserError } from '../user-error.ts'

const discovery = z.object({ issuer: z.string().min(1).max(2048) })

/** OpenID discovery of the API server (Kubernetes 1.21). Needs ClusterRole system:service-account-issuer-discovery. */
export class KubernetesTokenKeys implements ClusterTokenKeys {
  readonly #connection: ClusterConnection
  readonly #log: Log
  #said = false

  constructor(parts: { readonly connection: ClusterConnection; readonly log: Log }) {
    this.#connection = parts.connection
    this.#log = parts.log
  }

  async tokenKeys(): Promise<{ readonly issuer: string; readonly keys: unknown } | undefined> {
    try {
      const { issuer } = await this.#get('/.well-known/openid-configuration', discovery)
      const keys = await this.#get('/openid/v1/jwks', z.unknown())
      this.#said = false
      return { issuer, keys }
    } catch (error) {
      if (!(error instanceof ClusterFault || error instanceof UserError || error instanceof ForeignJsonError))
        throw error
      if (!this.#said)
        this.#log.warn('the keys of the cluster cannot be read: its tokens share the rate of unknown ones', {
          reason: error.message,
          hint: 'bind ClusterRole system:service-account-issuer-discovery to the account of the registry',
        })
      this.#said = true
      return undefined
    }
  }

  /** Throws ForeignJsonError. */
  async #get<Schema extends z.ZodType>(path: string, schema: Schema): Promise<z.infer<Schema>> {
    const { text } = await this.#connection.request({ method: 'GET', path })
    return parseForeignJson(text, schema)
  }
}
