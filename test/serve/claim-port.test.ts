import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { suite, test } from 'node:test'
import { promisify } from 'node:util'
import { claimPort } from '../../src/serve/claim-port.ts'

const module = new URL('../../src/serve/claim-port.ts', import.meta.url).href
const shared = process.platform === 'linux'

/** The test needs its own network namespace, in which the kernel has few ports to assign. */
function namespaceProblem(): string | false {
  return shared && process.getuid?.() === 0 ? false : 'needs Linux and root for a network namespace'
}

suite('a port that several workers will share', () => {
  test('is claimed before anybody listens there, and by one address only', { skip: !shared }, async () => {
    const first = await claimPort('127.0.0.1', 0, { shared })
    await assert.rejects(claimPort('127.0.0.1', first.port, { shared }), { code: 'PORT_TAKEN' })
    const beside = await claimPort('127.0.0.2', first.port, { shared })
    assert.equal(beside.port, first.port)
    await beside.release()
    await first.release()
    const next = await claimPort('127.0.0.1', first.port, { shared })
    await next.release()
  })

  test('is not claimed where somebody listens, and free again after that attempt', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as { port: number }
    await assert.rejects(claimPort('127.0.0.1', port, { shared }), { code: 'PORT_TAKEN' })
    other.close()
    await once(other, 'close')
    const claim = await claimPort('127.0.0.1', port, { shared })
    await claim.release()
  })

  test(
    'is another one for each server that lets the system choose',
    { skip: namespaceProblem() },
    async () => {
      const program = `
      const { claimPort } = await import(${JSON.stringify(module)})
      const claims = []
      while (claims.length < 7) claims.push(await claimPort('127.0.0.1', 0, { shared: true }))
      console.log(claims.map(({ port }) => port).join())
    `
      const script =
        'ip link set lo up && echo 40000 40031 > /proc/sys/net/ipv4/ip_local_port_range && exec "$@"'
      const node = [process.execPath, '--input-type=module', '-e', program]
      const { stdout } = await promisify(execFile)('unshare', ['--net', 'sh', '-c', script, 'sh', ...node], {
        timeout: 60_000,
      })
      const ports = stdout.trim().split(',')
      assert.equal(new Set(ports).size, 7, `claimed ${ports.join()}`)
    },
  )
})
