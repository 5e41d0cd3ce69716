import assert from 'node:assert/strict'
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  noPrivateMachine,
  openPrivateMachine,
  type PrivateMachine,
  type Ran,
} from '../../support/private-machine.ts'
import { startedServer, type ServerProcess } from '../../support/server-process.ts'

const program = fileURLToPath(new URL('../../../bin/trow.js', import.meta.url))
const otherUser = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups']

suite('a registry that nobody names is the server that runs here', { skip: noPrivateMachine() }, () => {
  let machine: PrivateMachine
  let folders = 0
  const running: ServerProcess[] = []

  before(async () => {
    machine = await openPrivateMachine(() => [])
    // For the other user, who makes his data below it.
    chmodSync(machine.folder, 0o777)
  })
  after(() => machine.close())

  async function serve(args: readonly string[] = [], user: readonly string[] = []): Promise<ServerProcess> {
    const data = join(machine.folder, `data-${folders++}`)
    const server = await startedServer({ data, args, within: [...machine.within, ...user] })
    running.push(server)
    return server
  }
  const stopAll = async (): Promise<void> => {
    await Promise.all(running.splice(0).map((server) => server.stop()))
  }
  const list = (...args: readonly string[]): Ran => machine.trow(['list', ...args])
  const taken = (url: string): string => `registry: ${url} (the server that runs here)\n`

  test('on whatever port it listens, and the command says which', async () => {
    // Its metrics have a listener of the same user and no mark.
    const { url } = await serve(['--metrics-listen', '127.0.0.1:0'])
    assert.deepEqual(list('-o', 'name'), { code: 0, output: taken(url) })
    await stopAll()
    const { code, output } = list()
    assert.equal(code, 69)
    assert.match(
      output,
      /^trow: no registry is named, and none runs here: 127\.0\.0\.1:8000 cannot be reached/,
    )
  })

  for (const [address, connect] of [
    ['0.0.0.0', '127.0.0.1'],
    ['[::]', '127.0.0.1'],
    ['[::1]', '[::1]'],
    ['172.31.77.1', '172.31.77.1'],
  ] as const) {
    test(`on ${address}, without TLS`, async () => {
      await serve(['--listen', `${address}:7412`, '--plain-http'])
      assert.deepEqual(list('-o', 'name'), { code: 0, output: taken(`http://${connect}:7412`) })
      await stopAll()
    })
  }

  test('with TLS, for which it needs its CA', async () => {
    const { url } = await serve(['--tls-auto'])
    assert.match(list().output, /\(REGISTRY_UNTRUSTED\)/)
    const ca = join(machine.folder, `data-${folders - 1}`, 'tls', 'ca.crt')
    assert.deepEqual(list('-o', 'name', '--ca', ca), { code: 0, output: taken(url) })
    await stopAll()
  })

  test('of several it takes none, and names them', async () => {
    const hosts = [await serve(), await serve()].map(({ url }) => new URL(url).host)
    const [first = '', second = ''] = hosts.sort(
      (one, other) => Number(one.slice(10)) - Number(other.slice(10)),
    )
    const { code, output } = list()
    assert.equal(
      output,
      `trow: no registry is named, and several run here: ${first}, ${second} (REGISTRY_AMBIGUOUS)\n` +
        `  Name one of them: --registry ${first}, or TROW_REGISTRY.\n`,
    )
    assert.equal(code, 2)
    assert.deepEqual(list('-o', 'name', '--registry', second), { code: 0, output: '' })
    await stopAll()
  })

  test('one of another user is not taken; one of root is by everybody', async () => {
    const other = await serve([], otherUser)
    assert.match(list().output, /none runs here/)
    const home = join(machine.folder, 'other-home')
    mkdirSync(home)
    const asOther = (): Ran =>
      machine.run('setpriv', [...otherUser.slice(1), process.execPath, program, 'list', '-o', 'name'], {
        HOME: home,
      })
    assert.deepEqual(asOther(), { code: 0, output: taken(other.url) })
    await stopAll()
    const { url } = await serve()
    assert.deepEqual(asOther(), { code: 0, output: taken(url) })
    await stopAll()
  })
})
