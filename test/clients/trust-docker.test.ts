import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { hash } from '@node-rs/bcrypt'
import { stringify } from 'yaml'
import { makeAuthority } from '../../src/certificates/certificate-authority.ts'
import { missing } from '../requirements.ts'
import { startedServer, type ServerProcess } from '../support/server-process.ts'
import { startDockerd, type Daemon } from './daemon.ts'
import {
  noPrivateMachine,
  openPrivateMachine,
  treeOf,
  type PrivateMachine,
  type Ran,
} from '../support/private-machine.ts'

const untrusted = /x509: certificate signed by unknown authority/
const name = 'registry.test'
const host = `${name}:5443`
const guarded = `${name}:5444`
const proof = `${host}/default/trow-trust-docker:proof`

/** A registry with TLS, a registry with access control, and a foreign CA. */
interface Registries {
  readonly ca: string
  readonly guardedCa: string
  readonly wrongCa: string
  stop(): Promise<void>
}

const tools = ['docker', 'podman'] as const

for (const tool of tools) {
  const needs = tool === 'docker' ? ['docker', 'dockerd'] : ['podman', 'skopeo', 'buildah']
  suite(`trust-docker: ${tool}`, { skip: missing(...needs) || noPrivateMachine() }, () => {
    let machine: PrivateMachine
    let registries: Registries
    let daemon: Daemon | undefined
    let env: Readonly<Record<string, string>> = {}
    const pull = (reference: string): Ran => {
      const ran = machine.run(tool, ['pull', reference], env)
      machine.run(tool, ['rmi', '-f', reference], env)
      return ran
    }
    const trust = (...args: readonly string[]): Ran =>
      machine.trow(['trust-docker', '--engine', tool === 'docker' ? 'dockerd' : 'podman', ...args], env)
    const refused = (reference = proof): void => {
      const { code, output } = pull(reference)
      assert.notEqual(code, 0)
      assert.match(output, untrusted)
    }
    const etc = (): Readonly<Record<string, string>> => treeOf(machine.etc)

    before(async () => {
      machine = await openPrivateMachine((address) => [
        `${address} ${name} insecure.test`,
        '127.0.0.1 loopback.test',
      ])
      registries = await startRegistries(machine)
      if (tool === 'docker') {
        const config = { 'insecure-registries': ['insecure.test:5443'] }
        daemon = await startDockerd(machine.folder, { within: machine.within, config })
        env = { DOCKER_HOST: `unix://${daemon.socket}` }
      } else {
        env = podmanStorage(machine)
        const insecure = '[[registry]]\nlocation = "insecure.test:5443"\ninsecure = true\n'
        writeFileSync(join(machine.etc, 'containers', 'registries.conf.d', 'test.conf'), insecure)
      }
    })
    after(async () => {
      await daemon?.stop()
      await registries?.stop()
      await machine?.close()
    })

    test('refused before, pulled over verified TLS after, refused again after --undo', () => {
      const tree = etc()
      refused()
      const args = ['--registry', host, '--ca', registries.ca]
      const plan = trust(...args, '--dry-run')
      assert.equal(plan.code, 0, plan.output)
      assert.match(plan.output, /\+-----BEGIN CERTIFICATE-----/)
      assert.deepEqual(etc(), tree)

      const trusted = trust(...args)
      assert.equal(trusted.code, 0, trusted.output)
      assert.match(trusted.output, /proved: pushed and pulled registry\.test:5443\/\S+@sha256:[0-9a-f]{64}/)
      const withTrust = etc()
      assert.notDeepEqual(withTrust, tree)
      assert.equal(pull(proof).code, 0)

      const again = trust(...args)
      assert.equal(again.code, 0, again.output)
      assert.match(again.output, /set up already/)
      assert.deepEqual(etc(), withTrust)

      const undone = trust('--registry', host, '--undo')
      assert.equal(undone.code, 0, undone.output)
      assert.deepEqual(etc(), tree)
      refused()
      assert.match(trust('--registry', host, '--undo').output, /nothing of trow is there/)
    })

    test('with the CA of somebody else it fails, says so, and the engine refuses', () => {
      const tree = etc()
      const { code, output } = trust('--registry', host, '--ca', registries.wrongCa)
      assert.equal(code, 1, output)
      assert.match(output, untrusted)
      assert.match(output, /not the CA of that registry.*restart/)
      refused()
      const right = trust('--registry', host, '--ca', registries.ca)
      assert.equal(right.code, 0, right.output)
      trust('--registry', host, '--undo')
      assert.deepEqual(etc(), tree)
    })

    test('two registries: each undo takes its own, the last one the folders', () => {
      const tree = etc()
      for (const each of [host, guarded]) {
        const ca = each === host ? registries.ca : registries.guardedCa
        assert.equal(trust('--registry', each, '--ca', ca, '--no-proof').code, 0)
      }
      trust('--registry', host, '--undo')
      refused()
      assert.doesNotMatch(pull(`${guarded}/team/app:1`).output, untrusted)
      trust('--registry', guarded, '--undo')
      assert.deepEqual(etc(), tree)
    })

    test('what others have put there stays', () => {
      const certificates = tool === 'docker' ? 'docker' : 'containers'
      const folder = join(machine.etc, certificates, 'certs.d', host)
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, 'ca.crt'), 'of somebody else\n')
      const tree = etc()
      const { code, output } = trust('--registry', host, '--ca', registries.ca)
      assert.equal(code, 0, output)
      trust('--registry', host, '--undo')
      assert.deepEqual(etc(), tree)
      writeFileSync(join(folder, 'trow-ca.crt'), 'of somebody else\n')
      assert.match(trust('--registry', host, '--ca', registries.ca).output, /FILE_EXISTS/)
      machine.run('rm', ['-r', join('/etc', certificates, 'certs.d')])
    })

    test('where access is asked for, it names the login, and works after it', () => {
      const args = ['--registry', guarded, '--ca', registries.guardedCa, '--repository', 'team/proof']
      const { code, output } = trust(...args)
      assert.equal(code, 77, output)
      assert.match(output, /trow login --ca \S+ registry\.test:5444/)
      const login = ['login', '-u', 'pusher', '--password-stdin', guarded]
      const logged = machine.run(tool, login, env, 'pusher-pw')
      assert.equal(logged.code, 0, logged.output)
      const proved = trust(...args)
      assert.equal(proved.code, 0, proved.output)
      const elsewhere = trust(...args.slice(0, -1), 'other/proof')
      assert.equal(elsewhere.code, 77, elsewhere.output)
      assert.match(elsewhere.output, /--repository/)
      machine.run(tool, ['logout', guarded], env)
      trust('--registry', guarded, '--undo')
    })

    test('an insecure registry is refused, and nothing is written', () => {
      const tree = etc()
      const { code, output } = trust('--registry', 'insecure.test:5443', '--ca', registries.ca)
      assert.equal(code, 1, output)
      assert.match(output, /REGISTRY_INSECURE/)
      assert.deepEqual(etc(), tree)
    })

    if (tool === 'docker') {
      test('dockerd verifies nothing on loopback: neither by address nor by name', () => {
        const tree = etc()
        for (const each of ['127.0.0.1:5443', 'localhost:5443', '127.7.7.7:1', 'loopback.test:5443']) {
          const { code, output } = trust('--registry', each, '--ca', registries.ca)
          assert.equal(code, 2, output)
          assert.match(output, /LOOPBACK_NOT_VERIFIED/)
        }
        assert.deepEqual(etc(), tree)
      })
    } else {
      test('skopeo and buildah trust it as well', () => {
        const look = (): Ran => machine.run('skopeo', ['inspect', `docker://${proof}`], env)
        const build = (): Ran => machine.run('buildah', ['pull', '-q', proof], env)
        for (const attempt of [look, build]) assert.match(attempt().output, untrusted)
        assert.equal(trust('--registry', host, '--ca', registries.ca).code, 0)
        for (const attempt of [look, build]) {
          const { code, output } = attempt()
          assert.equal(code, 0, output)
        }
        trust('--registry', host, '--undo')
      })
    }
  })
}

async function startRegistries(machine: PrivateMachine): Promise<Registries> {
  const { folder, address, within } = machine
  const start = async (port: number, data: string, ...args: readonly string[]): Promise<ServerProcess> =>
    startedServer({
      data: join(folder, data),
      address,
      port,
      within,
      args: ['--tls-auto', '--tls-san', `${name},insecure.test,loopback.test`, ...args],
    })
  const htpasswd = join(folder, 'htpasswd')
  writeFileSync(htpasswd, `pusher:${await hash('pusher-pw', 4)}\n`)
  const access = [{ who: ['pusher'], repositories: ['team/**'], actions: ['pull', 'push'] }]
  const config = join(folder, 'trow.yaml')
  writeFileSync(config, stringify({ htpasswd, access }))
  const servers = [await start(5443, 'open'), await start(5444, 'guarded', '--config', config)]
  const wrongCa = join(folder, 'wrong.crt')
  writeFileSync(wrongCa, (await makeAuthority([name], [], webcrypto as Crypto)).cert)
  return {
    ca: join(folder, 'open', 'tls', 'ca.crt'),
    guardedCa: join(folder, 'guarded', 'tls', 'ca.crt'),
    wrongCa,
    async stop() {
      for (const server of servers) await server.stop()
    },
  }
}

function podmanStorage({ folder }: PrivateMachine): Readonly<Record<string, string>> {
  const file = join(folder, 'storage.conf')
  const [root, state] = [join(folder, 'images'), join(folder, 'state')]
  writeFileSync(file, `[storage]\ndriver = "vfs"\ngraphroot = "${root}"\nrunroot = "${state}"\n`)
  const auth = join(folder, 'auth.json')
  writeFileSync(auth, '{}')
  return { CONTAINERS_STORAGE_CONF: file, REGISTRY_AUTH_FILE: auth }
}
