import { fileURLToPath } from 'node:url'
import { freePort } from '../test/support/free-port.ts'
import { runLoad } from './load.ts'
import { configSize, oneMegabyte } from './seed.ts'
import { startServer } from './server.ts'

/** What our own client does against a server that does nothing: to be well above every measured row. */
export async function checkClient(seconds: number): Promise<void> {
  const port = await freePort()
  const script = fileURLToPath(new URL('null-server.ts', import.meta.url))
  const command = { program: process.execPath, args: [script, String(port)] }
  const server = await startServer(command, { port, folder: '', tls: false })
  const common = { target: server.target, seconds } as const
  const repository = 'null'
  try {
    const heads = await runLoad({
      ...common,
      kind: 'requests',
      method: 'HEAD',
      connections: 32,
      paths: { kind: 'one', path: '/v2/null/blobs/x' },
    })
    print('HEAD', heads.done / heads.seconds, 'req/s', heads.clientCores)
    for (const [size, connections] of [
      [oneMegabyte, 8],
      [100 * oneMegabyte, 1],
    ] as const) {
      const blobs = await runLoad({ ...common, kind: 'blobs', connections, repository, size })
      print(`push of ${size / 1e6} MB`, blobs.bytes / 1e6 / blobs.seconds, 'MB/s', blobs.clientCores)
    }
    for (const layerSize of [oneMegabyte, 10 * 1024]) {
      const images = await runLoad({
        ...common,
        kind: 'images',
        connections: 8,
        repository,
        configSize,
        layerSize,
      })
      print(`images with ${layerSize} B`, images.done / images.seconds, '/s', images.clientCores)
    }
  } finally {
    await server.stop()
  }
}

function print(what: string, value: number, unit: string, cores: number): void {
  console.log(`${what}: ${Math.round(value)} ${unit}; the client took ${cores.toFixed(2)} cores`)
}
