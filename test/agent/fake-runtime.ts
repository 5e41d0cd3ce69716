import { mkdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { Server, ServerCredentials, status, type UntypedServiceImplementation } from '@grpc/grpc-js'
import { fromJSON } from '@grpc/proto-loader'
import { criDescriptor } from '../../src/agent/cri-descriptor.ts'

interface ImageRequest {
  readonly image: { readonly image: string }
  readonly auth?: { readonly username: string; readonly password: string } | null
}
type Call = { readonly request: ImageRequest }
type Done = (error: object | null, answer?: object) => void

/** A runtime whose pulls end as a test decides. Tests with real ones: test/e2e/agent.test.ts. */
export class FakeRuntime {
  readonly pulls: string[] = []
  /** The password of each pull; undefined: a pull without credentials. */
  readonly passwords: (string | undefined)[] = []
  readonly removals: string[] = []
  readonly images = new Map<
    string,
    { id: string; repo_tags: string[]; repo_digests: string[]; pinned: boolean }
  >()
  /** The error of the next pulls; undefined: they succeed. */
  fault: string | undefined
  /** The next pulls never end. */
  hangs = false
  readonly #server = new Server()

  static async listen(socket: string): Promise<FakeRuntime> {
    const runtime = new FakeRuntime()
    mkdirSync(dirname(socket), { recursive: true })
    rmSync(socket, { force: true })
    const loaded = fromJSON(criDescriptor, { keepCase: true, defaults: true, arrays: true })
    const add = (name: string, implementation: UntypedServiceImplementation): void => {
      runtime.#server.addService(
        loaded[`runtime.v1.${name}`] as Parameters<Server['addService']>[0],
        implementation,
      )
    }
    add('RuntimeService', {
      Version: (_call: Call, done: Done) =>
        done(null, { runtime_name: 'containerd', runtime_version: 'v2.3.7' }),
      Status: (_call: Call, done: Done) => done(null, { status: { conditions: [] } }),
    })
    add('ImageService', {
      ImageStatus: ({ request }: Call, done: Done) =>
        done(null, { image: runtime.images.get(request.image.image) ?? null }),
      PullImage: ({ request }: Call, done: Done) => {
        runtime.passwords.push(request.auth?.password)
        void runtime.#pull(request.image.image, done)
      },
      RemoveImage: ({ request }: Call, done: Done) => {
        runtime.removals.push(request.image.image)
        runtime.images.delete(request.image.image)
        done(null, {})
      },
    })
    await new Promise<void>((resolve, reject) => {
      runtime.#server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      )
    })
    return runtime
  }

  close(): void {
    this.#server.forceShutdown()
  }

  /** Called when a pull begins; the pull ends after it. */
  whilePulling: () => Promise<void> = async () => {}

  async #pull(image: string, done: Done): Promise<void> {
    this.pulls.push(image)
    await this.whilePulling()
    if (this.hangs) return
    if (this.fault !== undefined) return done({ code: status.UNKNOWN, details: this.fault })
    this.images.set(image, { id: 'sha256:1', repo_tags: [], repo_digests: [image], pinned: false })
    done(null, { image_ref: 'sha256:1' })
  }
}
