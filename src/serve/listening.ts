import { hostPort } from '../host-port.ts'
import type { HttpListener } from '../http/http-listener.ts'
import { cannotListen } from './cannot-listen.ts'

/** Listens there, and resolves with `HOST:PORT` as a URL has it. Throws UserError as `claimPort` does. */
export async function listening(
  listener: Pick<HttpListener, 'listen'>,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<string> {
  try {
    const bound = await listener.listen({ host, port })
    return hostPort(host, bound?.port ?? port)
  } catch (error) {
    throw cannotListen(host, port, error)
  }
}
