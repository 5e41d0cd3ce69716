import { hostPort } from '../host-port.ts'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { errorCode } from '../error-code.ts'
import { plainReason } from '../plain-reason.ts'
import { UpstreamFault } from './upstream-fault.ts'

/** Milliseconds for each of the two looks. */
const patience = 5000

export interface ServerAddress {
  /** A name or an address, an IPv6 one without brackets. */
  readonly host: string
  readonly port: number
}

/**
 * Returns what a server speaks on a port. It is sent a TLS greeting, and an HTTP request without a credential
 * if it closes the connection without a word. Throws UpstreamFault `unreachable`.
 */
export async function spokenProtocol(address: ServerAddress): Promise<'tls' | 'http'> {
  const greeted = await greet(address)
  if (greeted === 'tls') return 'tls'
  if (greeted === 'other' || (await answersHttp(address))) return 'http'
  throw new UpstreamFault(
    'unreachable',
    `${hostPort(address.host, address.port)} answers neither TLS nor HTTP`,
  )
}

/** Returns `other` if it answered something that is no TLS, `nothing` if it closed the connection. */
function greet(address: ServerAddress): Promise<'tls' | 'other' | 'nothing'> {
  return talk(address, (socket, end) => {
    // Nothing is sent over this connection, so that nobody needs to be trusted.
    const secured = connectTls({ socket, rejectUnauthorized: false })
    secured.once('secureConnect', () => end('tls'))
    secured.once('error', (error) => {
      const code = errorCode(error) ?? ''
      if (isNoTls(code)) end('other')
      // An alert is TLS too: the server wants another version, or a certificate.
      else end(code.startsWith('ERR_SSL_') || code === 'EPROTO' ? 'tls' : 'nothing')
    })
    secured.once('close', () => end('nothing'))
  })
}

function answersHttp(address: ServerAddress): Promise<boolean> {
  return talk(address, (socket, end) => {
    socket.write(`GET /v2/ HTTP/1.1\r\nHost: ${address.host}\r\nConnection: close\r\n\r\n`)
    socket.once('data', (bytes: Buffer) => end(bytes.toString('latin1').startsWith('HTTP/')))
    socket.once('close', () => end(false))
  })
}

/** Whether the code of an error says that the other side speaks something else than TLS. */
export function isNoTls(code: string): boolean {
  return code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG'
}

function talk<Result>(
  address: ServerAddress,
  use: (socket: Socket, end: (result: Result) => void) => void,
): Promise<Result> {
  const socket = connect(address)
  return new Promise<Result>((resolve, reject) => {
    const fail = (reason: string, cause?: unknown): void =>
      reject(
        new UpstreamFault(
          'unreachable',
          `${hostPort(address.host, address.port)} cannot be reached: ${reason}`,
          { cause },
        ),
      )
    socket.setTimeout(patience, () => fail('it does not answer'))
    socket.once('error', (error) => fail(plainReason(error), error))
    socket.once('connect', () => use(socket, resolve))
  }).finally(() => socket.destroy())
}
