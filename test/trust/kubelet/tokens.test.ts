import assert from 'node:assert/strict'
import { mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { inspectMachine } from '../../../src/trust/inspect-machine.ts'
import type { TrustProblem } from '../../../src/trust/node-trust.ts'
import { provideTokens, type TokenProvision } from '../../../src/trust/kubelet/provide-tokens.ts'
import { providedHosts, withdrawTokens } from '../../../src/trust/kubelet/withdraw-tokens.ts'
import { KubeletTree } from './kubelet-tree.ts'

const hosts = ['trow.trow.svc', 'trow.trow.svc:443']
const cloud = '/etc/eks/image-credential-provider'
const cloudConfig = `apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
  # the cloud's own
  - name: ecr-credential-provider
    matchImages: ["*.dkr.ecr.*.amazonaws.com"]
    defaultCacheDuration: 12h
    apiVersion: credentialprovider.kubelet.k8s.io/v1
`
const cloudFiles = { [`${cloud}/config.yaml`]: cloudConfig, [`${cloud}/ecr-credential-provider`]: 'ELF' }
const cloudFlags = [
  `--image-credential-provider-config=${cloud}/config.yaml`,
  '--image-credential-provider-bin-dir',
  cloud,
]
const own = '/var/lib/kubelet/trow-credential-provider'
const ownFlags = [
  `--image-credential-provider-config=${own}/config.yaml`,
  `--image-credential-provider-bin-dir=${own}/bin`,
]

async function provide(machine: KubeletTree, names = hosts): Promise<TokenProvision> {
  return provideTokens(machine.options, await inspectMachine(machine.options), names)
}
async function withdraw(machine: KubeletTree, names = hosts): Promise<TrustProblem | undefined> {
  const facts = await inspectMachine(machine.options)
  return (await withdrawTokens(machine.options, facts, names)).problem
}

async function provided({ options }: KubeletTree): Promise<string[]> {
  return providedHosts(options, await inspectMachine(options))
}

describe('tokens of service accounts by the hand of the kubelet', () => {
  test('with providers of a cloud: added to, effective after a restart of the kubelet, restored to the byte', async () => {
    using machine = new KubeletTree(cloudFiles)
    machine.run(cloudFlags)
    const untouched = machine.files()
    const first = await provide(machine)
    assert.deepEqual(
      first.changes.map(({ action, path }) => `${action} ${path}`),
      [`create ${own}/note`, `create ${cloud}/trow-credential-provider`, `update ${cloud}/config.yaml`],
    )
    assert.equal(first.effective, false)
    assert.equal(first.problem?.code, 'PULL_IDENTITY_RESTART')
    assert.match(first.problem.hint ?? '', /systemctl restart kubelet\.service/)
    assert.ok(machine.tree.read(`${cloud}/config.yaml`).startsWith(cloudConfig))
    const { mode } = statSync(join(machine.tree.root, cloud, 'trow-credential-provider'))
    assert.equal(mode & 0o777, 0o755)
    assert.match(machine.tree.read(`${cloud}/trow-credential-provider`), /^#!\/bin\/sh\n# managed-by: trow/)

    const again = await provide(machine)
    assert.deepEqual([again.changes, again.effective], [[], false])
    machine.run(cloudFlags)
    const last = await provide(machine)
    assert.deepEqual([last.changes, last.effective, last.problem], [[], true, undefined])
    assert.deepEqual(await provided(machine), hosts)

    assert.equal(await withdraw(machine), undefined)
    assert.deepEqual(machine.files(), untouched)
    assert.deepEqual(await provided(machine), [])
  })

  test('a machine that was started again has read it, whatever its clock says', async () => {
    using machine = new KubeletTree(cloudFiles)
    machine.run(cloudFlags, { start: 900_000 })
    await provide(machine)
    machine.restartMachine()
    machine.run(cloudFlags, { start: 400 })
    assert.equal((await provide(machine)).effective, true)
  })

  test('an entry that somebody has taken out is put back, and counts after another restart', async () => {
    using machine = new KubeletTree(cloudFiles)
    machine.run(cloudFlags)
    await provide(machine)
    machine.run(cloudFlags)
    assert.equal((await provide(machine)).effective, true)
    machine.tree.write(`${cloud}/config.yaml`, cloudConfig)
    const { effective, problem } = await provide(machine)
    assert.deepEqual([effective, problem?.code], [false, 'PULL_IDENTITY_RESTART'])
    machine.run(cloudFlags)
    assert.equal((await provide(machine)).effective, true)
  })

  test('an executable that cannot be run any more is mended without a restart', async () => {
    using machine = new KubeletTree(cloudFiles)
    machine.run(cloudFlags)
    await provide(machine)
    machine.run(cloudFlags)
    machine.tree.mode(`${cloud}/trow-credential-provider`, 0o644)
    const { changes, effective } = await provide(machine)
    assert.deepEqual(
      changes.map(({ path }) => path),
      [`${cloud}/trow-credential-provider`],
    )
    assert.equal(effective, true)
  })

  test('a kubelet without providers: files stand ready, the command is said, and one restart is enough', async () => {
    using machine = new KubeletTree()
    machine.run([])
    const untouched = machine.files()
    const { effective, problem } = await provide(machine)
    assert.deepEqual([effective, problem?.code], [false, 'PULL_IDENTITY_FLAGS'])
    assert.match(
      problem?.hint ?? '',
      /KUBELET_EXTRA_ARGS="--image-credential-provider-config=\/var\/lib\/kubelet\/trow-cred/,
    )
    assert.match(problem?.hint ?? '', />> \/etc\/default\/kubelet && systemctl restart kubelet\.service/)
    machine.run(ownFlags)
    assert.equal((await provide(machine)).effective, true)

    // The kubelet would not start again without these files.
    const inUse = await withdraw(machine)
    assert.equal(inUse?.code, 'PULL_IDENTITY_IN_USE')
    assert.equal(inUse.fatal, true)
    assert.match(machine.tree.read(`${own}/config.yaml`), /name: "trow-credential-provider"/)
    machine.run([])
    assert.equal(await withdraw(machine), undefined)
    assert.deepEqual(machine.files(), untouched)
  })

  test('a folder of configurations gets a file of ours', async () => {
    const folder = '/etc/kubernetes/providers'
    using machine = new KubeletTree({ [`${folder}/10-cloud.json`]: '{}', '/opt/providers/ecr': 'ELF' })
    const flags = [
      '--image-credential-provider-config',
      folder,
      '--image-credential-provider-bin-dir=/opt/providers',
    ]
    machine.run(flags)
    const untouched = machine.files()
    const { changes } = await provide(machine)
    assert.ok(changes.some(({ path }) => path === `${folder}/trow-credential-provider.yaml`))
    assert.equal(await withdraw(machine), undefined)
    assert.deepEqual(machine.files(), untouched)
  })

  test('k3s finds its usual files by itself: a restart is all', async () => {
    const base = '/var/lib/rancher/credentialprovider'
    using machine = new KubeletTree({ '/var/lib/rancher/k3s/agent/': '' }, { kubeletVersion: 'v1.34.1+k3s1' })
    machine.run([], { program: '/usr/local/bin/k3s server' })
    const untouched = machine.files()
    const { problem, changes } = await provide(machine)
    assert.equal(problem?.code, 'PULL_IDENTITY_RESTART')
    assert.ok(changes.some(({ path }) => path === `${base}/config.yaml`))
    machine.run([], { program: '/usr/local/bin/k3s server' })
    assert.deepEqual([(await provide(machine)).effective, (await provide(machine)).changes], [true, []])
    assert.equal(await withdraw(machine), undefined)
    assert.deepEqual(machine.files(), untouched)
  })

  test('two registries share one entry, and each goes by itself', async () => {
    using machine = new KubeletTree(cloudFiles)
    machine.run(cloudFlags)
    const untouched = machine.files()
    await provide(machine)
    const alone = machine.tree.read(`${cloud}/config.yaml`)
    await provide(machine, ['other.example.com'])
    assert.deepEqual(await provided(machine), ['other.example.com', ...hosts])
    assert.equal(await withdraw(machine, ['other.example.com']), undefined)
    assert.equal(machine.tree.read(`${cloud}/config.yaml`), alone)
    assert.equal(await withdraw(machine), undefined)
    assert.deepEqual(machine.files(), untouched)
  })

  const malformed: Readonly<Record<string, string>> = {
    'that is no YAML': 'providers: [',
    'that is empty': '',
    'of an older version': cloudConfig.replace('k8s.io/v1\n', 'k8s.io/v1beta1\n'),
    'without a list': cloudConfig.split('providers:')[0] ?? '',
    'in two documents': `${cloudConfig}---\n${cloudConfig}`,
  }
  for (const [what, config] of Object.entries(malformed)) {
    test(`a configuration ${what} is left as it is, and named`, async () => {
      using machine = new KubeletTree({ ...cloudFiles, [`${cloud}/config.yaml`]: config })
      machine.run(cloudFlags)
      const untouched = machine.files()
      const { changes, effective, problem } = await provide(machine)
      assert.deepEqual([changes, effective, problem?.code], [[], false, 'PULL_IDENTITY_CONFIG'])
      assert.match(problem?.message ?? '', /config\.yaml has been left as it is: /)
      assert.equal(problem?.fatal, false)
      assert.deepEqual(machine.files(), untouched)
    })
  }

  test('one that became malformed later: nothing is taken, and where it must be done by hand is said', async () => {
    using machine = new KubeletTree({
      ...cloudFiles,
      [`${cloud}/config.yaml`]:
        '{"kind":"CredentialProviderConfig","apiVersion":"kubelet.config.k8s.io/v1","providers":[{"name":"a"}]}',
    })
    machine.run(cloudFlags)
    await provide(machine)
    machine.tree.write(`${cloud}/config.yaml`, `${machine.tree.read(`${cloud}/config.yaml`)}}}`)
    const before = machine.files()
    const problem = await withdraw(machine)
    assert.equal(problem?.code, 'PULL_IDENTITY_CONFIG')
    assert.match(problem.hint ?? '', /Take the entry trow-credential-provider out of/)
    assert.deepEqual(machine.files(), before)
  })

  test('an executable of that name that is not ours is not overwritten', async () => {
    using machine = new KubeletTree({ ...cloudFiles, [`${cloud}/trow-credential-provider`]: 'ELF' })
    machine.run(cloudFlags)
    const { changes, problem } = await provide(machine)
    assert.deepEqual(changes, [])
    assert.match(problem?.message ?? '', /trow-credential-provider is there and not made by trow/)
    assert.equal(machine.tree.read(`${cloud}/trow-credential-provider`), 'ELF')
    assert.equal(machine.tree.read(`${cloud}/config.yaml`), cloudConfig)
  })

  const unfit: readonly (readonly [
    string,
    { kubeletVersion?: string },
    readonly string[],
    string,
    RegExp,
  ])[] = [
    ['before 1.34', { kubeletVersion: 'v1.33.9' }, cloudFlags, 'PULL_IDENTITY_VERSION', /v1\.33\.9.*1\.34/],
    ['of no version', { kubeletVersion: 'latest' }, cloudFlags, 'PULL_IDENTITY_VERSION', /which version/],
    [
      'with the feature switched off',
      {},
      [...cloudFlags, '--feature-gates=A=true,KubeletServiceAccountTokenForCredentialProviders=false'],
      'PULL_IDENTITY_VERSION',
      /feature gate/,
    ],
    [
      'with the feature switched off in its file',
      {},
      [...cloudFlags, '--config=/etc/kubelet.yaml'],
      'PULL_IDENTITY_VERSION',
      /feature gate/,
    ],
    [
      'with files elsewhere',
      {},
      [
        '--image-credential-provider-config=/home/kubernetes/c.yaml',
        '--image-credential-provider-bin-dir=/home/kubernetes/bin',
      ],
      'PULL_IDENTITY_CONFIG',
      /not to be seen from here/,
    ],
  ]
  for (const [what, version, flags, code, reason] of unfit) {
    test(`a kubelet ${what} is left alone, and why is said`, async () => {
      using machine = new KubeletTree(
        {
          ...cloudFiles,
          '/etc/kubelet.yaml': 'featureGates:\n  KubeletServiceAccountTokenForCredentialProviders: false\n',
        },
        version,
      )
      machine.run(flags)
      const untouched = machine.files()
      const { changes, effective, problem } = await provide(machine)
      assert.deepEqual([changes, effective, problem?.code], [[], false, code])
      assert.match(problem?.message ?? '', reason)
      assert.deepEqual(machine.files(), untouched)
    })
  }

  test('while no kubelet runs nothing is known anew; of several none is taken for the own one', async () => {
    using machine = new KubeletTree(cloudFiles)
    assert.equal((await provide(machine)).effective, undefined)
    machine.run([...cloudFlags, '--hostname-override=n1'])
    machine.runBeside(['--hostname-override=n2'])
    assert.equal((await provide(machine)).problem?.code, 'PULL_IDENTITY_RESTART')
    machine.runBeside([])
    const { effective, problem } = await provide(machine)
    assert.deepEqual([effective, problem?.code], [false, 'PULL_IDENTITY_KUBELET'])
    assert.match(problem?.message ?? '', /several kubelets/)
  })

  test('killed at any step, it is taken back to the byte', async () => {
    const make = (): KubeletTree => {
      const machine = new KubeletTree(cloudFiles)
      machine.run(cloudFlags)
      return machine
    }
    using sample = make()
    const { changes } = await provide(sample)
    for (let done = 1; done <= changes.length; done++) {
      using machine = make()
      const untouched = machine.files()
      for (const { path, after = '' } of changes.slice(0, done)) {
        mkdirSync(join(machine.tree.root, path, '..'), { recursive: true })
        machine.tree.write(path, after)
      }
      assert.equal(await withdraw(machine), undefined)
      assert.deepEqual(machine.files(), untouched, `after ${done} steps`)
    }
  })
})
