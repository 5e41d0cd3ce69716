import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { clusterLock } from './place.ts'

/** Allows one cluster of a name on a machine. Waits until the cluster of another run has ended. */
export async function lockMachine(log: (line: string) => void): Promise<Server> {
  for (let attempt = 0; attempt < 1800; attempt++) {
    const server = createServer()
    server.listen(clusterLock)
    try {
      await once(server, 'listening')
      return server.unref()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      if (attempt === 0) log('another run has its cluster on this machine; waiting until it has gone')
      await sleep(1000)
    }
  }
  throw new Error('another run does not end its cluster')
}
