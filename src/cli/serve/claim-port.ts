import { createServer, type AddressInfo } from 'node:net'
import { cannotListen } from './worker-group.ts'

/**
 * Sees that the address is free, and which port 0 stands for. Workers share the port afterwards (reusePort); without
 * this exclusive bind a second server of the same user would silently take half of the traffic. Throws UserError
 * PORT_TAKEN, PORT_NOT_PERMITTED or LISTEN_FAILED.
 */
export async function claimPort(host: string, port: number): Promise<number> {
  const probe = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once('error', reject)
      probe.listen({ host, port, exclusive: true }, resolve)
    })
    return (probe.address() as AddressInfo).port
  } catch (error) {
    const { code = 'UNKNOWN', message } = error as NodeJS.ErrnoException
    throw cannotListen(host, port, { code, message })
  } finally {
    await new Promise((resolve) => probe.close(resolve))
  }
}
