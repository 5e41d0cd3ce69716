import { request } from 'node:http'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { connect, type TLSSocket } from 'node:tls'
import { z } from 'zod'
import { names, ports } from '../../cluster/layout.ts'
import { ServiceDialer } from '../../cluster/service-dialer.ts'
import type { Health, RegistryAnswer, RegistryProbe } from '../../status/registry-probe.ts'
import type { OpenCluster } from '../cluster/cluster-options.ts'

const patience = 10_000

/** Of the install that the command is about. */
export function probeOf({ objects, layout }: Pick<OpenCluster, 'objects' | 'layout'>): ForwardedProbe {
  const target = { namespace: layout.namespace, service: names.service, port: ports.service }
  const dialer = new ServiceDialer(objects, target)
  return new ForwardedProbe(() => dialer.dial(0), layout.imageHost)
}

/** Asks the registry over byte streams to its pod, one a question. */
class ForwardedProbe implements RegistryProbe {
  readonly #dial: () => Promise<Duplex>
  readonly #serverName: string

  constructor(dial: () => Promise<Duplex>, serverName: string) {
    this.#dial = dial
    this.#serverName = serverName
  }

  async ask(bundle: string): Promise<RegistryAnswer> {
    const socket = await this.#handshake(bundle)
    const chain = pemOf(socket)
    const untrusted = socket.authorized ? undefined : String(socket.authorizationError)
    return { chain, untrusted, ...(await readiness(socket, this.#serverName)) }
  }

  /** PEM of the leaf that is shown now. */
  async leaf(): Promise<string> {
    const socket = await this.#handshake('')
    // Not known any more once it is closed.
    const leaf = pemOf(socket)
    socket.destroy()
    return leaf
  }

  async #handshake(bundle: string): Promise<TLSSocket> {
    const stream = await this.#dial()
    const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>()
    // It is looked at, and nothing secret is sent: what is wrong with its certificate is what one wants to know.
    const socket = connect({
      socket: stream,
      servername: this.#serverName,
      rejectUnauthorized: false,
      ...(bundle === '' ? {} : { ca: bundle }),
    })
    const late = setTimeout(() => reject(new Error('it did not answer within 10 s')), patience)
    socket.once('secureConnect', () => resolve(socket))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('it closed the connection')))
    try {
      return await promise
    } catch (error) {
      socket.destroy()
      throw error
    } finally {
      clearTimeout(late)
    }
  }
}

function pemOf(socket: TLSSocket): string {
  return socket.getPeerX509Certificate()?.toString() ?? ''
}

async function readiness(socket: TLSSocket, host: string): Promise<{ reads: Health; writes: Health }> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const headers = { host, connection: 'close' }
  const options = { path: '/readyz', headers, createConnection: () => socket, timeout: patience }
  const asked = request(options, (response) => void text(response).then(resolve, reject))
  asked.once('timeout', () => asked.destroy(new Error('it did not answer within 10 s')))
  asked.once('error', reject)
  asked.end()
  const body = await promise
  try {
    const { read, write } = answerSchema.parse(JSON.parse(body))
    return { reads: healthOf(read), writes: healthOf(write) }
  } catch (cause) {
    throw new Error('what answers on its port is not trow', { cause })
  }
}

const answer = z.object({ ok: z.boolean(), reason: z.string().optional() })
const answerSchema = z.object({ read: answer, write: answer })

function healthOf({ ok, reason }: z.infer<typeof answer>): Health {
  return ok ? { ok } : { ok, reason: reason ?? 'it says no more' }
}
