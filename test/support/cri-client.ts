import { credentials, loadPackageDefinition, type Client } from '@grpc/grpc-js'
import { fromJSON } from '@grpc/proto-loader'

/** The part of CRI v1 (k8s.io/cri-api) that these tests need. */
const protocol = {
  nested: {
    runtime: {
      nested: {
        v1: {
          nested: {
            ImageSpec: { fields: { image: { type: 'string', id: 1 } } },
            PullImageRequest: { fields: { image: { type: 'ImageSpec', id: 1 } } },
            PullImageResponse: { fields: { image_ref: { type: 'string', id: 1 } } },
            RemoveImageRequest: { fields: { image: { type: 'ImageSpec', id: 1 } } },
            RemoveImageResponse: { fields: {} },
            ImageService: {
              methods: {
                PullImage: { requestType: 'PullImageRequest', responseType: 'PullImageResponse' },
                RemoveImage: { requestType: 'RemoveImageRequest', responseType: 'RemoveImageResponse' },
              },
            },
          },
        },
      },
    },
  },
}

/** Asks a runtime as the kubelet does. */
export class CriClient {
  readonly #images: Client

  constructor(socket: string) {
    const loaded = loadPackageDefinition(
      fromJSON(protocol as Parameters<typeof fromJSON>[0], { keepCase: true }),
    )
    const { runtime } = loaded as unknown as {
      readonly runtime: {
        readonly v1: { readonly ImageService: new (...args: readonly unknown[]) => Client }
      }
    }
    this.#images = new runtime.v1.ImageService(`unix:${socket}`, credentials.createInsecure(), {
      'grpc.default_authority': 'localhost',
    })
  }

  /** Pulls anew; rejects with what the runtime says. */
  async pull(image: string): Promise<void> {
    await this.#call('RemoveImage', { image: { image } })
    await this.#call('PullImage', { image: { image } })
  }

  close(): void {
    this.#images.close()
  }

  async #call(method: string, request: object): Promise<unknown> {
    const images = this.#images as unknown as Readonly<
      Record<
        string,
        (request: object, options: object, done: (error: Error | null, answer: unknown) => void) => void
      >
    >
    return new Promise((resolve, reject) => {
      const deadline = new Date(Date.now() + 120_000)
      images[method]?.call(this.#images, request, { deadline, waitForReady: true }, (error, answer) =>
        error === null ? resolve(answer) : reject(error),
      )
    })
  }
}
