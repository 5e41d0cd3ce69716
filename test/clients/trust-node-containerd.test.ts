import assert from 'node:assert/strict'
import { createHash, webcrypto, X509Certificate } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { makeAuthority, type CertificateAuthority } from '../../src/certificates/certificate-authority.ts'
import { inspectMachine } from '../../src/trust/inspect-machine.ts'
import type { MachineOptions, NodeTrust, EditOptions } from '../../src/trust/node-trust.ts'
import { trustMachine } from '../../src/trust/trust-machine.ts'
import { untrustMachine } from '../../src/trust/untrust-machine.ts'
import { noRoot } from './daemon.ts'
import { binary, missingBinaries } from '../support/cluster-binaries.ts'
import { findProgram, missing } from '../requirements.ts'
import { nodeOf } from '../trust/platforms.ts'
import { PrivateContainerd } from './private-containerd.ts'
import { TrustedRegistry } from './trusted-registry.ts'

const hosts = ['trow.trow.svc', 'trow.trow.svc:443']
const pem = '/etc/trow-client.pem'

const versions: readonly {
  readonly version: string
  readonly skip: string | false
  readonly format: 2 | 3
  program(): string
  registry(path: string): string
}[] = [
  {
    version: '1.6.20',
    skip: missing('containerd', 'unshare'),
    format: 2,
    program: () => findProgram('containerd') ?? '',
    registry: (path) => `[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "${path}"\n`,
  },
  {
    version: '2.3.7',
    skip:
      missing('unshare') ||
      (missingBinaries().includes('containerd') ? 'containerd 2.3 has not been built' : false),
    format: 3,
    program: () => binary('containerd'),
    registry: (path) => `[plugins."io.containerd.cri.v1.images".registry]\n  config_path = "${path}"\n`,
  },
]

let registry: TrustedRegistry
let first: CertificateAuthority
let second: CertificateAuthority

for (const { version, skip, format, program, registry: registryOf } of versions) {
  suite(`containerd ${version}`, { skip: noRoot('containerd') || skip }, () => {
    let containerd: PrivateContainerd
    before(async () => {
      first = await newAuthority()
      second = await newAuthority()
      registry = await TrustedRegistry.start()
      registry.setAuthority(first)
      await registry.serve()
      await registry.push('open/app', '1')
      await registry.push('closed/app', '1')
    })
    after(async () => registry.stop())

    async function run(settings: string, work: () => Promise<void>): Promise<void> {
      containerd = await PrivateContainerd.start(program(), format, settings)
      try {
        await work()
      } finally {
        await containerd.stop()
      }
    }

    function optionsOf(): MachineOptions {
      return {
        hostRoot: containerd.tree.root,
        node: nodeOf(`containerd://${version}`),
        restart: async () => {
          await containerd.restart()
          return undefined
        },
      }
    }

    async function trust(
      ca: string,
      more: Partial<NodeTrust> = {},
      editOptions: EditOptions = {},
    ): Promise<void> {
      const options = optionsOf()
      const wanted = { hosts, ca, endpoints: [registry.endpoint], identity: undefined, ...more }
      await trustMachine(options, await inspectMachine(options), wanted, editOptions)
    }

    test('pulls from a name that nothing resolves, with the right CA only, and as who its certificate says', async () => {
      await run(registryOf('/etc/containerd/certs.d'), async () => {
        containerd.tree.write(pem, registry.pemOf('node-1'))
        const untouched = containerd.tree.all()
        assert.match(
          (await containerd.pull('trow.trow.svc/open/app:1')) ?? '',
          /lookup|no such host|dial tcp/,
        )

        await trust(second.cert)
        assert.match((await containerd.pull('trow.trow.svc/open/app:1')) ?? '', /x509|certificate/)

        await trust(first.cert)
        for (const host of hosts) assert.equal(await containerd.pull(`${host}/open/app:1`), undefined)
        assert.match(
          (await containerd.pull('trow.trow.svc/closed/app:1')) ?? '',
          /401|[Uu]nauthorized|denied|authorization/,
        )
        assert.match((await containerd.pull('trow.trow.svc/open/app:2')) ?? '', /not found/)

        // The first endpoint has no listener, as when the node's agent does not run.
        const endpoints = ['127.0.0.3:9', registry.endpoint]
        await trust(first.cert, { endpoints, identity: { certificate: pem, key: pem } })
        assert.equal(await containerd.pull('trow.trow.svc/closed/app:1'), undefined)

        await untrustMachine(optionsOf(), await inspectMachine(optionsOf()), hosts)
        assert.deepEqual(containerd.tree.all(), untouched)
        assert.notEqual(await containerd.pull('trow.trow.svc/open/app:1'), undefined)
      })
    })

    test('goes on pulling while the CA is replaced', async () => {
      await run(registryOf('/etc/containerd/certs.d'), async () => {
        await trust(first.cert + second.cert)
        assert.equal(await containerd.pull('trow.trow.svc/open/app:1'), undefined)
        registry.setAuthority(second)
        await shown(second)
        assert.equal(await containerd.pull('trow.trow.svc/open/app:1'), undefined)
        await trust(second.cert)
        assert.equal(await containerd.pull('trow.trow.svc/open/app:1'), undefined)
        await trust(first.cert)
        assert.match((await containerd.pull('trow.trow.svc/open/app:1')) ?? '', /x509|certificate/)
        registry.setAuthority(first)
        await shown(first)
      })
    })

    test('is told of no certificate that it could not read', async () => {
      await run(registryOf('/etc/containerd/certs.d'), async () => {
        const identity = { certificate: pem, key: pem }
        await trust(first.cert, { identity })
        assert.equal(await containerd.pull('trow.trow.svc/open/app:1'), undefined)
        containerd.tree.write(pem, registry.pemOf('node-1').replace(/-----BEGIN PRIVATE KEY[^]*/, ''))
        await trust(first.cert, { identity })
        assert.equal(await containerd.pull('trow.trow.svc/open/app:1'), undefined)
      })
    })

    if (format === 2) {
      test('reads no folder until config_path is set and it is restarted', async () => {
        await run('', async () => {
          const untouched = containerd.tree.all()
          await trust(first.cert)
          assert.equal((await inspectMachine(optionsOf())).class, 'unset')
          assert.notEqual(await containerd.pull('trow.trow.svc/open/app:1'), undefined)
          await trust(first.cert, {}, { restartRuntime: true })
          assert.equal((await inspectMachine(optionsOf())).class, 'direct')
          assert.equal(await containerd.pull('trow.trow.svc/open/app:1'), undefined)
          await untrustMachine(optionsOf(), await inspectMachine(optionsOf()), hosts)
          assert.deepEqual(containerd.tree.all(), untouched)
        })
      })
    } else {
      test('takes its default list for one folder, which a link of that name makes of it', async () => {
        await run('', async () => {
          const untouched = containerd.tree.all()
          await trust(first.cert)
          assert.equal((await inspectMachine(optionsOf())).class, 'colon')
          assert.equal(await containerd.pull('trow.trow.svc/open/app:1'), undefined)
          const { root } = containerd.tree
          const link = join(root, '/etc/containerd/certs.d:/etc/docker/certs.d')
          assert.ok(existsSync(dirname(link)))
          rmSync(link)
          assert.notEqual(
            await containerd.pull('trow.trow.svc/open/app:1'),
            undefined,
            'the list is read without it',
          )
          await trust(first.cert)
          assert.equal(await containerd.pull('trow.trow.svc/open/app:1'), undefined)
          await untrustMachine(optionsOf(), await inspectMachine(optionsOf()), hosts)
          assert.deepEqual(containerd.tree.all(), untouched)
        })
      })
      test('splits the list when it pulls by itself, and needs no link', async () => {
        const local = '[plugins."io.containerd.cri.v1.images"]\n  discard_unpacked_layers = true\n'
        await run(local, async () => {
          await trust(first.cert)
          assert.equal((await inspectMachine(optionsOf())).class, 'direct')
          assert.ok(!existsSync(join(containerd.tree.root, '/etc/containerd/certs.d:')))
          assert.equal(await containerd.pull('trow.trow.svc/open/app:1'), undefined)
        })
      })
    }
  })
}

async function newAuthority(): Promise<CertificateAuthority> {
  return makeAuthority(['trow.trow.svc'], [], webcrypto as Crypto)
}

/** Waits until the registry presents a certificate of this CA. */
async function shown({ cert }: CertificateAuthority): Promise<void> {
  const wanted = createHash('sha256').update(new X509Certificate(cert).raw).digest('hex')
  for (let attempt = 0; attempt < 300; attempt++) {
    if ((await registry.issuerShown()) === wanted) return
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  assert.fail('the registry does not show the new CA')
}
