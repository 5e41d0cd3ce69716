import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { after, before, suite, test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { imageProblem } from '../support/trow-image.ts'
import { runInCluster } from './command-line.ts'
import { InstallFixture } from './install-fixture.ts'
import { eventually } from '../support/program.ts'
import { clusterProblem } from './requirements.ts'

const program = fileURLToPath(new URL('../../bin/trow.js', import.meta.url))
const everything =
  'namespaces,configmaps,secrets,services,serviceaccounts,persistentvolumes,persistentvolumeclaims,pods,' +
  'statefulsets.apps,daemonsets.apps,poddisruptionbudgets.policy,networkpolicies.networking.k8s.io,' +
  'roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io,' +
  'clusterroles.rbac.authorization.k8s.io,clusterrolebindings.rbac.authorization.k8s.io'

/** Disturbances of an install: each is reported, leaves nothing half done, and does not stop the next install. */
suite('an install that is disturbed', { skip: clusterProblem() || (await imageProblem()) }, () => {
  let trow: InstallFixture

  before(async () => {
    trow = await InstallFixture.open('install-faults')
  })
  after(async () => {
    await trow.kubectl('delete', 'storageclass', 'provides-nothing', '--ignore-not-found')
    await trow.close()
  })

  async function nothingThere(): Promise<void> {
    const selector = 'app.kubernetes.io/part-of=trow'
    // The deletion of a namespace takes a moment.
    await eventually(async () => {
      const left = await trow.kubectl('get', everything, '-A', '-l', selector, '-o', 'name')
      assert.equal(left.trim(), '')
    })
  }
  const show = (context: TestContext, printed: string): void => context.diagnostic(`\n${printed}`)

  test('one kind forbidden: it is named, with what one may not do, and nothing is touched', async (context) => {
    const rule = (apiGroups: string[], resources: string[]): object => ({
      apiGroups,
      resources,
      verbs: ['*'],
    })
    const role = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'nearly-all' },
      rules: [
        rule([''], ['*']),
        rule(['apps', 'networking.k8s.io', 'rbac.authorization.k8s.io', 'storage.k8s.io'], ['*']),
        rule(['discovery.k8s.io', 'coordination.k8s.io', 'admissionregistration.k8s.io'], ['*']),
        rule(['apiextensions.k8s.io', 'policy.trow.io'], ['*']),
      ],
    }
    await trow.cluster.kubectl(['apply', '-f', '-'], { stdin: JSON.stringify(role) })
    const binding = ['clusterrolebinding', 'nearly-all']
    await trow.kubectl('create', ...binding, '--clusterrole=nearly-all', '--user=nearly')
    try {
      const { port } = await trow.cluster.relay()
      const server = `https://127.0.0.1:${port}`
      const kubeconfig = await trow.cluster.clientKubeconfig({ user: 'nearly', groups: [], server })
      const { code, stderr } = await runInCluster(
        ['install', '-y', ...trow.installOptions(), '--kubeconfig', kubeconfig],
        trow.folder,
      )
      show(context, stderr)
      assert.equal(code, 77, stderr)
      assert.match(stderr, /you may not: create, patch, get poddisruptionbudgets\.policy in trow$/m)
      await nothingThere()
    } finally {
      await trow.kubectl('delete', ...binding)
      await trow.kubectl('delete', 'clusterrole', 'nearly-all')
    }
  })

  test('a namespace of others: what is in it is named, and stays', async (context) => {
    await trow.kubectl('create', 'namespace', 'trow')
    await trow.kubectl('-n', 'trow', 'create', 'service', 'clusterip', 'theirs', '--tcp=80')
    const { code, stderr } = await trow.install()
    show(context, stderr)
    assert.equal(code, 79, stderr)
    assert.match(stderr, /it is in use by others: Service theirs\n.*--namespace/)
    await nothingThere()
    await trow.kubectl('delete', 'namespace', 'trow')
  })

  test('an image that nobody can pull: why, which ways there are, and no namespace', async (context) => {
    const { code, stderr } = await trow.install('--image', '172.30.0.2:9/none:1')
    show(context, stderr)
    assert.equal(code, 1, stderr)
    assert.match(stderr, /node n\d cannot pull 172\.30\.0\.2:9\/none:1: .*connection refused/s)
    assert.match(stderr, /trow image save/)
    await nothingThere()
  })

  test('a StorageClass that provides nothing: install and status say what is waited for', async (context) => {
    const provides = {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: 'provides-nothing' },
      provisioner: 'trow.test/nothing',
      volumeBindingMode: 'Immediate',
    }
    await trow.cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(provides) })
    const args = ['-y', '--image', trow.image, '--storage-class', 'provides-nothing', '--timeout', '12s']
    args.push('--admission', 'off')
    const { code, stderr } = await trow.trow('install', ...args)
    show(context, stderr)
    assert.equal(code, 75, stderr)
    assert.match(stderr, /volume claim data-trow-0 is Pending/)
    show(context, await trow.statusSays(/volume data-trow-0 is bound\n +it is Pending/))
    const other = await trow.install()
    show(context, other.stderr)
    assert.equal(other.code, 79, other.stderr)
    assert.match(other.stderr, /storage/)
    assert.equal((await trow.trow('uninstall', '--purge', '-y')).code, 0)
    await nothingThere()
  })

  test('no API server: said so, with exit code 69', async (context) => {
    await trow.cluster.stopApiServer()
    try {
      const { code, stderr } = await trow.install()
      show(context, stderr)
      assert.equal(code, 69, stderr)
      assert.match(stderr, /CLUSTER_UNREACHABLE/)
    } finally {
      await trow.cluster.startApiServer()
    }
  })

  /** Runs an install, and calls `disturb` once the output contains `words`. */
  async function disturbed(
    words: string,
    disturb: (kill: (signal: NodeJS.Signals) => void) => void,
  ): Promise<{ code: number | null; stderr: string }> {
    const args = ['install', '-y', ...trow.installOptions(), '--kubeconfig', trow.kubeconfig]
    const child = spawn(process.execPath, [program, ...args], {
      // `words` are written as in a UTF-8 locale.
      env: { PATH: process.env['PATH'], HOME: trow.folder, LANG: 'C.UTF-8' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let [stderr, isDone] = ['', false]
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
      if (isDone || !stderr.includes(words)) return
      isDone = true
      disturb((signal) => void child.kill(signal))
    })
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
    assert.ok(isDone, `it never said "${words}":\n${stderr}`)
    return { code, stderr }
  }

  const steps = [
    "trow's image, as nodes list or pull it",
    'accounts, roles and addresses',
    'certificate authority',
    'configuration',
  ]
  const later = ['agents of the nodes', 'registry', 'push of a tiny image', 'pull of it on every node']
  test('Ctrl-C or a kill in any step: the next install goes on, and the last is whole', async (context) => {
    for (const [index, title] of [...steps, ...later].entries()) {
      const signal = index % 2 === 0 ? 'SIGKILL' : 'SIGINT'
      const { code, stderr } = await disturbed(`\n${title} …`, (kill) => kill(signal))
      context.diagnostic(`${signal} at "${title}": exit code ${code}, ${stderr.trim().split('\n').at(-1)}`)
      // The last step may be done before the signal arrives.
      if (signal === 'SIGINT' && code !== 0) {
        assert.equal(code, 130, stderr)
        assert.match(
          stderr,
          /it was interrupted \(INTERRUPTED\)\n {2}What was done stays, and trow install .*again goes on from there\./,
        )
      }
    }
    const begin = performance.now()
    const { code, stderr } = await trow.install()
    assert.equal(code, 0, stderr)
    await trow.healthy()
    context.diagnostic(`the last one in ${((performance.now() - begin) / 1000).toFixed(1)} s`)
    const pods = await trow.kubectl('get', 'pods', '-A', '-l', 'app.kubernetes.io/part-of=trow', '-o', 'name')
    const names = pods.trim().split('\n')
    assert.equal(names.length, 1 + trow.cluster.nodes.length, pods)
    assert.equal(await trow.authorities(), 1)
  })

  test('the API server goes away in the middle and comes back: the install goes on by itself', async (context) => {
    let back = Promise.resolve()
    const away = async (how: 'killed' | 'frozen'): Promise<void> => {
      await trow.cluster.stopApiServer(how)
      await new Promise((resolve) => setTimeout(resolve, 5000))
      await trow.cluster.startApiServer()
    }
    for (const how of ['killed', 'frozen'] as const) {
      assert.equal((await trow.trow('uninstall', '-y')).code, 0)
      const begin = performance.now()
      const { code, stderr } = await disturbed('configuration …', () => void (back = away(how)))
      await back
      context.diagnostic(
        `${how} for 5 s: exit code ${code} in ${((performance.now() - begin) / 1000).toFixed(1)} s`,
      )
      show(context, stderr.slice(stderr.indexOf('namespaces …')))
      assert.equal(code, 0, stderr)
    }
    await trow.healthy()
  })

  test('the Service was made anew, with another address: install tells everybody', async (context) => {
    const address = (): Promise<string> =>
      trow.kubectl('-n', 'trow', 'get', 'service', 'trow', '-o', 'jsonpath={.spec.clusterIP}')
    const old = await address()
    await trow.kubectl('-n', 'trow', 'delete', 'service', 'trow')
    show(context, await trow.statusSays(/its Service leads to it\n/))
    await trow.kubectl('-n', 'trow', 'create', 'service', 'clusterip', 'trow', '--tcp=443:8443')
    assert.notEqual(await address(), old)
    const { code, stderr } = await trow.install('--force-conflicts')
    show(context, stderr)
    assert.equal(code, 0, stderr)
    await trow.healthy()
    const file = await trow.cluster.nodes[1]!.enter('cat', [
      '/etc/containerd/certs.d/trow.trow.svc/hosts.toml',
    ])
    assert.ok(file.includes(await address()), file)
    assert.ok(!file.includes(`${old}:`), file)
  })
})
