import { request } from 'node:http'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { connect, type TLSSocket } from 'node:tls'
import { z } from 'zod'
import { names, ports } from '../../cluster/layout.ts'
import { ServiceDialer } from '../../cluster/service-dialer.ts'
import type { RegistryHealth, RegistryAnswer, RegistryProbe } from '../../status/registry-probe.ts'
import type { OpenCluster } from '../cluster/cluster-options.ts'

const patience = 10_000

/** Returns the probe of the install that the command is about. */
export function probeOf({ objects, layout }: Pick<OpenCluster, 'objects' | 'layout'>): ForwardedProbe {
  const target = { namespace: layout.namespace, service: names.service, port: ports.service }
  const dialer = new ServiceDialer(objects, target)
  return new ForwardedProbe(() => dialer.dial(0), layout.imageHost)
}

/** Asks the registry over a byte stream to its pod, with a new stream for each question. */
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

  /** Returns the leaf certificate that the registry presents now, as PEM. */
  async leaf(): Promise<string> {
    const socket = await this.#handshake('')
    // The certificate is not available after the socket is closed.
    const leaf = pemOf(socket)
    socket.destroy()
    return leaf
  }

  async #handshake(bundle: string): Promise<TLSSocket> {
    const stream = await this.#dial()
    const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>()
    // The certificate is not verified: its faults are what the check shall find, and no secret is sent.
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

async function readiness(
  socket: TLSSocket,
  host: string,
): Promise<{ reads: RegistryHealth; writes: RegistryHealth }> {
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

function healthOf({ ok, reason }: z.infer<typeof answer>): RegistryHealth {
  return ok ? { ok } : { ok, reason: reason ?? 'it says no more' }
}
