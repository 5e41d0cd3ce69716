import https from 'node:https'
import type { InstallFixture } from './install-fixture.ts'

export interface Door {
  readonly name: string
  /** Whether it refuses what it is asked for. */
  refuses(): Promise<boolean>
}

interface Asked {
  /** Of the pods and of the account, with a repository of that name and image `app:1`. */
  readonly namespace: string
  /** What the API server says of a pod with this image. */
  readonly answer: (image: string, namespace: string) => Promise<string>
}

/** The doors at which policies are asked, each with an image of which the others say nothing. */
export class ThreeDoors implements AsyncDisposable {
  readonly names: { readonly floor: string }
  readonly all: readonly Door[]
  readonly #close: () => Promise<void>

  static async open(trow: InstallFixture, { namespace, answer }: Asked): Promise<ThreeDoors> {
    const address = await trow.kubectl(
      '-n',
      'trow',
      'get',
      'service',
      'trow',
      '-o',
      'jsonpath={.spec.clusterIP}',
    )
    const relay = await trow.cluster.relay(address, 443)
    const token = await trow.kubectl('-n', namespace, 'create', 'token', 'default', '--audience=trow')
    const { stdout: ca } = await trow.trow('ca', 'show')
    const agent = new https.Agent({ keepAlive: true, ca, servername: 'trow.trow.svc' })
    const pulled = (): Promise<number> =>
      new Promise((resolve, reject) => {
        const path = `/v2/${namespace}/app/manifests/1`
        const headers = { authorization: `Bearer ${token.trim()}`, accept: '*/*' }
        const sent = https.get({ host: '127.0.0.1', port: relay.port, path, headers, agent }, (reply) => {
          reply.resume().on('end', () => resolve(reply.statusCode ?? 0))
        })
        sent.on('error', reject)
      })
    const floor = 'quay.io/timed'
    const says = async (image: string, refusal: RegExp): Promise<boolean> => {
      const said = await answer(image, namespace)
      // Where the floor is open still, the webhook may refuse already.
      if (said !== 'admitted' && !/DENY_LIST|PLATFORM/.test(said)) throw new Error(said)
      return refusal.test(said)
    }
    const doors: readonly Door[] = [
      {
        name: 'the registry',
        async refuses() {
          const status = await pulled()
          if (status !== 200 && status !== 403) throw new Error(`a pull: ${status}`)
          return status === 403
        },
      },
      {
        name: 'the webhook',
        refuses: () => says(`trow.trow.svc/${namespace}/app:1`, /webhook.*PLATFORM/s),
      },
      { name: 'the floor', refuses: () => says(`${floor}/app:1`, /refused by the floor of trow/) },
    ]
    return new ThreeDoors(doors, { floor }, async () => {
      agent.destroy()
      await relay.close()
    })
  }

  private constructor(all: readonly Door[], names: { readonly floor: string }, close: () => Promise<void>) {
    this.all = all
    this.names = names
    this.#close = close
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close()
  }
}
