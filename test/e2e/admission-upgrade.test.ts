import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { KubeObject } from '../../src/cluster/cluster-objects.ts'
import { eventually } from '../support/program.ts'
import { imageProblem } from '../support/trow-image.ts'
import { AdmissionDoor, container } from './admission-door.ts'
import { runInCluster, type CommandResult } from './command-line.ts'
import { busyboxImage } from './image.ts'
import { InstallFixture, podProcesses } from './install-fixture.ts'
import { restartKubelet } from './node-servers.ts'
import { clusterProblem } from './requirements.ts'

const good = 'trow.test/busybox:1'
const bad = 'quay.io/upgrade/app:1'
const team = 'upgrade-team'

/** An upgrade that begins to judge pods, with running workloads that the policies refuse. */
suite('an upgrade to pods that are judged', { skip: clusterProblem() || (await imageProblem()) }, () => {
  let trow: InstallFixture
  let door: AdmissionDoor

  before(async () => {
    trow = await InstallFixture.open('upgrade-doors', { admission: true })
    door = await AdmissionDoor.open(trow, team)
    await trow.cluster.emptyNamespace(team)
    await trow.cluster.importImage({ ...busyboxImage(), name: bad })
    await door.installBefore()
    await door.create(deployment('old', bad))
    await door.create(deployment('fine', good))
    for (const name of ['old', 'fine']) await rolledOut(name)
  })
  after(async () => {
    await door.close()
    await trow.kubectl('delete', 'namespace', team, '--ignore-not-found', '--wait=false')
    await trow.close()
  })

  const policy: KubeObject = {
    apiVersion: 'policy.trow.io/v1alpha1',
    kind: 'TrowPolicy',
    metadata: { name: 'upgrade' },
    spec: {
      mode: 'enforce',
      default: 'deny',
      namespaces: { include: [team] },
      rules: [{ scope: 'trow.test', unverified: true }],
    },
  }
  const deployment = (name: string, image: string): object => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: team },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { terminationGracePeriodSeconds: 0, containers: [container(image)] },
      },
    },
  })
  const inTeam = (...args: readonly string[]): Promise<string> => trow.kubectl('-n', team, ...args)
  const rolledOut = (name: string): Promise<string> =>
    inTeam('rollout', 'status', `deployment/${name}`, '--timeout=90s')
  /** Returns the ids of the running containers by pod. */
  async function running(name: string): Promise<Record<string, string>> {
    const { items } = JSON.parse(await inTeam('get', 'pods', '-l', `app=${name}`, '-o', 'json')) as {
      items: {
        metadata: { name: string; deletionTimestamp?: string }
        status: { containerStatuses?: { ready: boolean; containerID?: string }[] }
      }[]
    }
    return Object.fromEntries(
      items.flatMap(({ metadata, status: { containerStatuses: [container] = [] } }) =>
        metadata.deletionTimestamp === undefined && container?.ready === true
          ? [[metadata.name, container.containerID ?? '']]
          : [],
      ),
    )
  }
  /** Returns the Deployments whose pods the API server has refused. */
  async function refused(): Promise<string[]> {
    const { items } = JSON.parse(
      await inTeam('get', 'events', '--field-selector', 'reason=FailedCreate', '-o', 'json'),
    ) as { items: { message: string; involvedObject: { name: string } }[] }
    const denials = items.filter(({ message }) => message.includes('NOT_ALLOWED'))
    return [...new Set(denials.map(({ involvedObject }) => involvedObject.name.replace(/-[^-]+$/, '')))]
  }

  test('impact names what the policy would refuse, and nothing is refused yet', async (context) => {
    const file = join(trow.folder, 'policy.json')
    writeFileSync(file, JSON.stringify(policy))
    const { code, stdout, stderr } = await trow.trow('policy', 'impact', '-f', file)
    for (const line of stdout.trimEnd().split('\n')) context.diagnostic(line)
    assert.equal(code, 79, stderr)
    assert.match(
      stdout,
      /^quay\.io\/upgrade\/app:1 +NOT_ALLOWED +upgrade +2 pods +.*upgrade-team Deployment\/old/m,
    )
    assert.match(stdout, /^running: would refuse 2 of \d+ pods$/m)
    assert.doesNotMatch(stdout, /Deployment\/fine/)
    assert.deepEqual(await refused(), [])
  })

  test('what runs goes on through the upgrade, also when its kubelet starts again', async () => {
    const before = await running('old')
    assert.equal(Object.keys(before).length, 2)
    await door.objects.apply(policy)
    const { code, stderr } = await trow.install()
    assert.equal(code, 0, stderr)
    await eventually(() => door.everyReviewSays(bad, /NOT_ALLOWED/), 30_000)
    for (const node of trow.cluster.nodes) await restartKubelet(node)
    await eventually(async () => {
      const nodes = trow.cluster.nodes.map(({ name }) => `node/${name}`)
      await trow.kubectl('wait', '--for=condition=Ready', ...nodes, '--timeout=5s')
    }, 60_000)
    await trow.healthy()
    assert.deepEqual(await running('old'), before)
    assert.deepEqual(await refused(), [])
  })

  test('it is labelled, held by a finalizer, scaled down and deleted as ever', async () => {
    const [first = '', second = ''] = Object.keys(await running('old'))
    await inTeam('label', 'pod', first, 'a=b')
    await inTeam('annotate', 'deployment', 'old', 'a=b')
    await trow.patch(team, 'pod', first, { metadata: { finalizers: ['trow.test/held'] } })
    await trow.patch(team, 'pod', first, { metadata: { finalizers: null } })
    await inTeam('annotate', 'pod', second, 'controller.kubernetes.io/pod-deletion-cost=-1')
    await inTeam('scale', 'deployment', 'old', '--replicas=1')
    await inTeam('wait', '--for=delete', `pod/${second}`, '--timeout=60s')
    assert.deepEqual(Object.keys(await running('old')), [first])
    assert.deepEqual(await refused(), [])
  })

  test('what impact has named is refused when it is made again, and nothing else', async (context) => {
    const before = await running('old')
    await inTeam('rollout', 'restart', 'deployment/old', 'deployment/fine')
    await rolledOut('fine')
    await inTeam('scale', 'deployment', 'old', '--replicas=3')
    await eventually(async () => assert.deepEqual(await refused(), ['old']), 30_000)
    // A refused rollout does not stop running pods.
    assert.deepEqual(await running('old'), before)
    assert.equal(Object.keys(await running('fine')).length, 2)
    // The scan reads the pods once a minute.
    await eventually(async () => {
      const { stdout } = await trow.trow('policy', 'status')
      assert.match(stdout, /^running .*upgrade \(enforce\) 1$/m)
      assert.match(stdout, /^upgrade-team +Deployment\/old +1 +upgrade/m)
      assert.match(stdout, /^floor .*by upgrade, in step with them/m)
      context.diagnostic(stdout.split('\n').find((line) => line.startsWith('running')) ?? stdout)
    }, 120_000)
    await inTeam('delete', 'deployment', 'old', '--timeout=60s')
    assert.deepEqual(await running('old'), {})
  })

  test('uninstall with a frozen registry, a killed admission pod and an API server that goes away leaves no webhook', async (context) => {
    const { cluster, kubeconfig, folder } = trow
    const ask = (onStderr?: (said: string) => void): Promise<CommandResult> =>
      runInCluster(['uninstall', '--purge', '-y', '--kubeconfig', kubeconfig], folder, undefined, onStderr)
    const registry = cluster.nodes.flatMap((node) => podProcesses(node, 'serve'))
    assert.ok(registry.length > 0)
    for (const pid of registry) process.kill(pid, 'SIGSTOP')
    const [admission] = cluster.nodes.flatMap((node) => podProcesses(node, 'admission'))
    process.kill(admission ?? assert.fail('no admission pod'), 'SIGKILL')

    await cluster.stopApiServer()
    const early = await ask()
    context.diagnostic(`without an API server: exit code ${early.code}, ${early.stderr.trim()}`)
    assert.notEqual(early.code, 0)
    await cluster.startApiServer()

    let away: Promise<void> | undefined
    const { code, stderr } = await ask((said) => {
      if (said.includes('the agents were told')) away ??= goAway()
    })
    async function goAway(): Promise<void> {
      await cluster.stopApiServer()
      // A frozen process answers no SIGTERM, and its pod would hold the namespace for a minute.
      for (const pid of registry) process.kill(pid, 'SIGCONT')
      await sleep(5000)
      await cluster.startApiServer()
    }
    await (away ?? assert.fail(`it never told the agents:\n${stderr}`))
    for (const line of stderr.trimEnd().split('\n')) context.diagnostic(line)
    assert.equal(code, 0, stderr)
    await door.isGone(bad)
  })
})
