import type { Client, ServiceError } from '@grpc/grpc-js'
import { criDescriptor } from './cri-descriptor.ts'

/**
 * A container runtime, by the interface that the kubelet uses (CRI v1). Every method rejects with CriFault.
 */
export interface Cri {
  version(): Promise<{ readonly name: string; readonly version: string }>
  /** `RuntimeReady`, `NetworkReady`, and what the runtime adds. */
  status(): Promise<readonly RuntimeCondition[]>
  /** Undefined: the runtime does not have the image. */
  imageStatus(image: string): Promise<RuntimeImage | undefined>
  /**
   * Pulls as the kubelet does, without credentials or with a token. Returns the runtime's reference of the
   * image. `limit`: milliseconds.
   */
  pullImage(image: string, limit: number, token?: string): Promise<string>
  /** Removes every name of the image that `image` refers to; containerd then releases its content. */
  removeImage(image: string): Promise<void>
  close(): void
}

export interface RuntimeCondition {
  readonly type: string
  readonly status: boolean
  readonly reason: string
  readonly message: string
}

export interface RuntimeImage {
  readonly id: string
  /** Every name it has: with tag, and with digest. */
  readonly references: readonly string[]
  /** The image is exempt from garbage collection. */
  readonly pinned: boolean
}

/** `code`: of gRPC; `UNAVAILABLE`: the runtime does not answer, `DEADLINE_EXCEEDED`: it takes too long. */
export class CriFault extends Error {
  readonly code: string

  constructor(code: string, message: string, cause: unknown) {
    super(message, { cause })
    this.name = 'CriFault'
    this.code = code
  }
}

const usualLimit = 10_000

/** `socket`: a path as this process sees it. Connects with the first call. */
export async function openCri(socket: string): Promise<Cri> {
  const [grpc, { fromJSON }] = await Promise.all([import('@grpc/grpc-js'), import('@grpc/proto-loader')])
  const loaded = fromJSON(criDescriptor, { keepCase: true, defaults: true, arrays: true })
  const open = (service: string): Client => {
    const definition = loaded[`runtime.v1.${service}`] as Parameters<
      typeof grpc.makeGenericClientConstructor
    >[0]
    const Service = grpc.makeGenericClientConstructor(definition, service)
    return new Service(`unix:${socket}`, grpc.credentials.createInsecure(), {
      // Otherwise the socket's path would be the authority, which containerd's server refuses.
      'grpc.default_authority': 'localhost',
      'grpc.max_reconnect_backoff_ms': 5000,
    })
  }
  const runtime = open('RuntimeService')
  const images = open('ImageService')

  async function ask<Answer>(
    client: Client,
    method: string,
    request: object,
    limit = usualLimit,
  ): Promise<Answer> {
    type Call = (
      request: object,
      options: { deadline: Date },
      done: (error: ServiceError | null, answer: unknown) => void,
    ) => void
    const calls = client as unknown as Readonly<Record<string, Call>>
    return new Promise((resolve, reject) => {
      calls[method]?.call(client, request, { deadline: new Date(Date.now() + limit) }, (error, answer) => {
        if (error === null) return resolve(answer as Answer)
        const late =
          error.code === grpc.status.DEADLINE_EXCEEDED ||
          // The runtime noticed the deadline first.
          error.code === grpc.status.CANCELLED
        if (late) reject(new CriFault('DEADLINE_EXCEEDED', `no end of it within ${limit / 1000} s`, error))
        else reject(new CriFault(grpc.status[error.code], error.details, error))
      })
    })
  }

  return {
    async version() {
      const answer = await ask<{ runtime_name: string; runtime_version: string }>(runtime, 'Version', {})
      return { name: answer.runtime_name, version: answer.runtime_version }
    },
    async status() {
      const answer = await ask<{ status: { conditions: RuntimeCondition[] } | null }>(runtime, 'Status', {})
      return answer.status?.conditions ?? []
    },
    async imageStatus(image) {
      interface Found {
        readonly id: string
        readonly repo_tags: string[]
        readonly repo_digests: string[]
        readonly pinned: boolean
      }
      const answer = await ask<{ image: Found | null }>(images, 'ImageStatus', { image: { image } })
      if (answer.image === null) return undefined
      const { id, repo_tags, repo_digests, pinned } = answer.image
      return { id, references: [...repo_tags, ...repo_digests], pinned }
    },
    async pullImage(image, limit, token) {
      const auth = token === undefined ? {} : { auth: { username: 'serviceaccount', password: token } }
      const request = { image: { image }, ...auth }
      return (await ask<{ image_ref: string }>(images, 'PullImage', request, limit)).image_ref
    },
    async removeImage(image) {
      await ask(images, 'RemoveImage', { image: { image } })
    },
    close() {
      runtime.close()
      images.close()
    },
  }
}
