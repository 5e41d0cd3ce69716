import assert from 'node:assert/strict'
import { after, before, suite, test, type TestContext } from 'node:test'
import { imageProblem } from '../support/trow-image.ts'
import { runInCluster, type CommandResult } from './command-line.ts'
import { InstallFixture } from './install-fixture.ts'
import { eventually } from '../support/program.ts'
import { clusterProblem } from './requirements.ts'

/** Clusters in which installs once failed without a way out. Each is now found beforehand or handled, with a hint. */
suite('an install finds its way', { skip: clusterProblem() || (await imageProblem()) }, () => {
  let trow: InstallFixture

  before(async () => {
    trow = await InstallFixture.open('install-dead-ends')
  })
  after(async () => {
    await trow.kubectl('-n', 'kube-system', 'delete', 'pod', 'hog', '--ignore-not-found', '--force')
    await trow.kubectl('delete', 'service', 'holder', '--ignore-not-found')
    await trow.close()
  })

  const show = (context: TestContext, what: string, { code, stdout, stderr }: CommandResult): void =>
    context.diagnostic(`\n$ ${what}\n${stderr}${stdout}(exit code ${code})`)
  const create = (object: object): Promise<string> =>
    trow.cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(object) })

  test('LimitRanges: found beforehand; made meanwhile, told without the whole wait', async (context) => {
    const metadata = { name: 'trow-node', labels: { 'app.kubernetes.io/part-of': 'trow' } }
    await create({ apiVersion: 'v1', kind: 'Namespace', metadata })
    const limits = [{ type: 'Container', max: { memory: '64Mi' } }]
    const range = { name: 'small', namespace: 'trow-node' }
    await create({ apiVersion: 'v1', kind: 'LimitRange', metadata: range, spec: { limits } })
    const found = await trow.install()
    show(context, 'trow install', found)
    assert.equal(found.code, 79)
    assert.match(found.stderr, /LimitRange small refuses them: 96Mi of memory asked for, 64Mi at most/)
    assert.match(found.stderr, /kubectl -n trow-node delete limitrange small/)

    const begin = performance.now()
    const late = await trow.install('--ignore-preflight', 'limit-range', '--timeout', '4m')
    show(context, 'trow install --ignore-preflight limit-range', late)
    assert.equal(late.code, 79)
    assert.match(
      late.stderr,
      /n1, n2(?:, n\d)*(?: and \d more)?: it has no agent yet \(FailedCreate: .*memory/,
    )
    assert.match(late.stderr, /kubectl -n trow-node get limitrange,resourcequota/)
    assert.ok(performance.now() - begin < 150_000)
    await trow.kubectl('-n', 'trow-node', 'delete', 'limitrange', 'small')
  })

  test('a node that has no room for its agent: the other one is proved, and this one named', async (context) => {
    assert.equal((await trow.trow('uninstall', '--purge', '-y')).code, 0)
    const cpu = await trow.kubectl('get', 'node', 'n2', '-o', 'jsonpath={.status.allocatable.cpu}')
    await create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'hog', namespace: 'kube-system' },
      spec: {
        nodeName: 'n2',
        priorityClassName: 'system-node-critical',
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name: 'hog',
            image: 'trow.test/busybox:1',
            imagePullPolicy: 'Never',
            command: ['/bin/busybox', 'sleep', '100000'],
            resources: { requests: { cpu } },
          },
        ],
      },
    })
    try {
      const begin = performance.now()
      const { code, stderr, stdout } = await trow.install()
      const seconds = (performance.now() - begin) / 1000
      show(context, 'trow install', { code, stderr, stdout })
      context.diagnostic(`in ${seconds.toFixed(1)} s`)
      assert.equal(code, 79, stderr)
      assert.match(stderr, /1 of \d nodes cannot pull from it: n2: .*Insufficient cpu/)
      assert.ok(seconds < 150)
      const status = await trow.trow('status')
      show(context, 'trow status', status)
      assert.match(status.stdout, /^√ node n1 pulls$/m)
      assert.match(
        status.stdout,
        /pod trow-node-\w+ on node n2 is ready\n +Unschedulable: .*Insufficient cpu/,
      )
    } finally {
      await trow.kubectl('-n', 'kube-system', 'delete', 'pod', 'hog', '--force')
    }
    assert.equal((await trow.install()).code, 0)
    await trow.healthy()
  })

  test('an address that another Service has by now: another one, of which every node is told', async (context) => {
    const address = (): Promise<string> =>
      trow.kubectl('-n', 'trow', 'get', 'service', 'trow', '-o', 'jsonpath={.spec.clusterIP}')
    for (const options of [[], ['--reset']]) {
      const old = await address()
      await trow.kubectl('-n', 'trow', 'delete', 'service', 'trow')
      await trow.kubectl('create', 'service', 'clusterip', 'holder', `--clusterip=${old}`, '--tcp=80')
      const result = await trow.install(...options)
      show(context, `trow install ${options.join(' ')}`, result)
      assert.equal(result.code, 0)
      assert.ok(result.stderr.includes(`Service holder in default has ${old} by now`))
      assert.notEqual(await address(), old)
      await trow.healthy()
      await trow.kubectl('delete', 'service', 'holder')
    }
  })

  test('a lost ConfigMap trow-install: status names it, install says how to go on', async (context) => {
    await trow.kubectl('-n', 'trow', 'delete', 'configmap', 'trow-install')
    const status = await trow.statusSays(/ConfigMap trow-install is missing in trow; what runs goes on/)
    context.diagnostic(`\n$ trow status -o short\n${status}`)
    const bare = await trow.trow('install', '-y', '--image', trow.image)
    show(context, 'trow install', bare)
    assert.equal(bare.code, 79)
    const [, options] =
      /trow install (--storage local:\S+ --storage-size \S+) goes on/.exec(bare.stderr) ?? []
    assert.ok(options !== undefined, bare.stderr)
    const again = await trow.trow('install', '-y', '--image', trow.image, ...options.split(' '))
    show(context, `trow install ${options}`, again)
    assert.equal(again.code, 0)
    await trow.healthy()
  })

  test('a lost CA: named while everything runs, and made anew', async (context) => {
    await trow.kubectl('-n', 'trow', 'delete', 'secret', 'trow-ca')
    const status = await trow.statusSays(/Secret trow-ca is missing: what runs goes on/)
    context.diagnostic(`\n$ trow status -o short\n${status}`)
    assert.equal((await trow.install()).code, 0)
    await trow.healthy()
  })

  test('an API server that is away for 45 s in the middle, and silent later: the uninstall waits, and goes on', async (context) => {
    const outages: Promise<void>[] = []
    const outage = async (how: 'killed' | 'frozen', seconds: number): Promise<void> => {
      await trow.cluster.stopApiServer(how)
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
      await trow.cluster.startApiServer()
    }
    const args = ['uninstall', '-y', '--kubeconfig', trow.kubeconfig]
    const result = await runInCluster(args, trow.folder, undefined, (said) => {
      if (outages.length === 0 && said.includes('the agents were told')) outages.push(outage('killed', 45))
      // Longer than a request waits for its answer.
      if (outages.length === 1 && /deleted \d+ objects/.test(said)) outages.push(outage('frozen', 35))
    })
    await Promise.all(outages)
    show(context, 'trow uninstall -y', result)
    assert.equal(result.code, 0)
    assert.equal(outages.length, 2)
    assert.equal(result.stderr.match(/asked again until it answers/g)?.length, 2)
  })

  test('ephemeral data that a drain has lost: status says so within seconds', async (context) => {
    assert.equal((await trow.trow('uninstall', '--purge', '-y')).code, 0)
    const options = ['-y', '--image', trow.image, '--storage', 'ephemeral']
    assert.equal((await trow.trow('install', ...options)).code, 0)
    await trow.healthy()
    const field = 'jsonpath={.spec.nodeName}'
    const node = await trow.kubectl('-n', 'trow', 'get', 'pod', 'trow-0', '-o', field)
    try {
      const away = ['--ignore-daemonsets', '--delete-emptydir-data', '--force', '--timeout=120s']
      await trow.kubectl('drain', node, ...away)
      await trow.kubectl('-n', 'trow', 'wait', '--for=condition=Ready', 'pod/trow-0', '--timeout=120s')
      const first = await trow.trow('status', '-o', 'short')
      show(context, 'trow status -o short, at once', first)
      assert.equal(first.code, 79)
      const begin = performance.now()
      const said = await trow.statusSays(
        /the registry does not have the image that nodes are to pull as a proof/,
      )
      context.diagnostic(
        `\n$ trow status -o short, ${((performance.now() - begin) / 1000).toFixed(1)} s later\n${said}`,
      )
    } finally {
      await trow.kubectl('uncordon', node)
    }
    assert.equal((await trow.trow('install', ...options)).code, 0)
    await trow.healthy()
    await eventually(async () => assert.equal((await trow.trow('status')).code, 0))
  })
})
