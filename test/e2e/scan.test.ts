import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { CredentialSource } from '../../src/cluster/credential-source.ts'
import { loadKubeContext } from '../../src/cluster/kubeconfig.ts'
import { connectObjects, type OpenClusterObjects } from '../../src/cluster/kubernetes-objects.ts'
import { RunningScan } from '../../src/scan/running-scan.ts'
import { GivenPolicies, policyOf, quiet, setOf } from '../scan/scanned-cluster.ts'
import { eventually } from '../support/program.ts'
import { imageProblem } from '../support/trow-image.ts'
import { busyboxImage } from './image.ts'
import { InstallFixture } from './install-fixture.ts'
import { clusterProblem } from './requirements.ts'

// Only this suite uses this namespace and digest, since pods of other suites may still run in the cluster.
const team = 'scan-team'
const repository = `${team}/app`
const image = `trow.trow.svc/${repository}:1`

/** A scan of a real cluster, by the image ids that its nodes report. */
suite('what runs in a real cluster', { skip: clusterProblem() || (await imageProblem()) }, () => {
  let trow: InstallFixture
  let objects: OpenClusterObjects
  let digest = ''

  before(async () => {
    trow = await InstallFixture.open('scan')
    const { code, stderr } = await trow.install()
    assert.equal(code, 0, stderr)
    await trow.cluster.emptyNamespace(team)
    const busybox = busyboxImage()
    const own = { ...busybox, name: 'app', config: { ...busybox.config, Labels: { suite: team } } }
    await trow.push(own, `${repository}:1`)
    const shown = await trow.trow('inspect', `${repository}:1`, '-o', 'json')
    digest = /sha256:[0-9a-f]{64}/.exec(shown.stdout)?.[0] ?? ''
    const context = loadKubeContext({ env: {}, cwd: '/', kubeconfig: trow.kubeconfig })
    const credentials = new CredentialSource(context, { env: {}, interactive: false, now: Date.now })
    objects = await connectObjects({ context, credentials })
    const template = {
      metadata: { labels: { app: 'api' } },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'app', image, imagePullPolicy: 'Always' }],
      },
    }
    const deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'api', namespace: team },
      spec: { replicas: 2, selector: { matchLabels: { app: 'api' } }, template },
    }
    await trow.cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(deployment) })
    await trow.kubectl('-n', team, 'rollout', 'status', 'deployment/api', '--timeout=120s')
  })
  after(async () => {
    await trow.kubectl('delete', 'namespace', team, '--ignore-not-found', '--wait=false')
    await objects.close()
    await trow.close()
  })

  test('a scan finds the pods of a denied digest, names the Deployment, and status shows it', async (context) => {
    const deny = [{ digest, reason: 'CVE-2024-3094' }]
    const scan = new RunningScan({
      objects,
      namespace: 'trow',
      feed: new GivenPolicies(setOf([policyOf('quarantine', { mode: 'enforce', default: 'pass', deny })])),
      content: { of: () => Promise.resolve({ kind: 'absent' }) },
      now: Date.now,
      log: quiet,
    })
    scan.start()
    await eventually(() => Promise.resolve(assert.ok(scan.findings)), 30_000)
    await eventually(async () => {
      assert.match(
        await trow.kubectl('-n', 'trow', 'get', 'configmap', 'trow-running', '-o', 'name'),
        /trow-running/,
      )
    }, 30_000)
    await scan.stop()
    const { findings } = scan
    context.diagnostic(`${findings?.pods} pods in ${findings?.seconds} s: ${findings?.findings[0]?.imageId}`)
    assert.deepEqual(
      findings?.findings.map(({ namespace, owner, pods, reason }) => [
        namespace,
        owner.kind,
        owner.name,
        pods,
        reason,
      ]),
      [[team, 'Deployment', 'api', 2, 'DENY_LIST']],
    )
    assert.ok(findings?.findings[0]?.imageId.endsWith(`@${digest}`))
    for (const command of [['status'], ['policy', 'status']]) {
      const { stdout } = await trow.trow(...command)
      assert.match(stdout, /policies refuse 2 of \d+ pods: quarantine \(enforce\) 2/)
      assert.match(stdout, /^scan-team +Deployment\/api +2 +quarantine +DENY_LIST$/m)
    }
  })

  test('trow quarantine names what a digest covers, who has pulled that, and the pods that run it', async (context) => {
    const { code, stdout, stderr } = await trow.trow('quarantine', digest, '--dry-run')
    assert.equal(code, 0, stderr)
    for (const line of stdout.trimEnd().split('\n')) context.diagnostic(line)
    const rows = stdout
      .split('\n')
      .filter((line) => /^ {2}scan-team +Deployment\/api +api-\S+ +\S+ +app +trow/.test(line))
    assert.equal(rows.length, 2)
    assert.match(stdout, new RegExp(`^ {2}${team}/\\S+ +${digest} +itself`, 'm'))
    // Pulls of one minute are one record, which is written at its end.
    await eventually(async () => {
      const told = await trow.trow('quarantine', digest, '--dry-run')
      assert.match(told.stdout, /pulled in the last 30 days\n.*\n +system:node:/)
    }, 90_000)
  })

  test('trow policy impact tells of recorded pulls and of running pods what a policy would refuse', async (context) => {
    const file = join(trow.folder, 'new.yaml')
    const metadata = { name: 'new' }
    const deny = [{ scope: `@trow/${team}`, reason: 'it is moved' }]
    const spec = { mode: 'audit', default: 'pass', deny }
    writeFileSync(
      file,
      JSON.stringify({ apiVersion: 'policy.trow.io/v1alpha1', kind: 'TrowPolicy', metadata, spec }),
    )
    const { code, stdout, stderr } = await trow.trow('policy', 'impact', '-f', file)
    assert.equal(code, 79, stderr)
    for (const line of stdout.trimEnd().split('\n')) context.diagnostic(line)
    assert.match(stdout, /^@trow\/scan-team\/app:1 +DENY_LIST +new +\d+ pulls? +2\S+Z +\S/m)
    assert.match(
      stdout,
      /^@trow\/scan-team\/app:1 +DENY_LIST +new +2 pods +runs now +scan-team Deployment\/api$/m,
    )
    assert.match(stdout, /^pulls since \S+: would refuse \d+ of \d+ images/m)
    assert.match(stdout, /^running: would refuse 2 of \d+ pods$/m)
  })
})
