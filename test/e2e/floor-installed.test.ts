import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { admissionNames, floorParts } from '../../src/cluster/admission-layout.ts'
import { breakGlassLine } from '../../src/cluster/break-glass-line.ts'
import { ClusterFault } from '../../src/cluster/cluster-fault.ts'
import type { KubeObject } from '../../src/cluster/cluster-objects.ts'
import { CredentialSource } from '../../src/cluster/credential-source.ts'
import { loadKubeContext } from '../../src/cluster/kubeconfig.ts'
import { connectObjects, type OpenClusterObjects } from '../../src/cluster/kubernetes-objects.ts'
import { eventually } from '../support/program.ts'
import { imageProblem } from '../support/trow-image.ts'
import { podOf } from './floor-door.ts'
import { busyboxImage } from './image.ts'
import { inForceAfter } from './in-force.ts'
import { InstallFixture } from './install-fixture.ts'
import { clusterProblem } from './requirements.ts'
import { ThreeDoors } from './three-doors.ts'

const good = 'trow.test/busybox:1'
const bad = 'quay.io/evil/app:1'
const team = 'floor-team'
const timed = 'floor-timed'
const [binding, , parameters] = floorParts
const policyVersion = 'policy.trow.io/v1alpha1'

/** The floor of an install refuses names without any further setup. */
suite('the floor that an install brings', { skip: clusterProblem() || (await imageProblem()) }, () => {
  let trow: InstallFixture
  let objects: OpenClusterObjects

  before(async () => {
    trow = await InstallFixture.open('floor', { admission: true })
    const context = loadKubeContext({ env: {}, cwd: '/', kubeconfig: trow.kubeconfig })
    const credentials = new CredentialSource(context, { env: {}, interactive: false, now: Date.now })
    objects = await connectObjects({ context, credentials, manager: 'floor' })
    await trow.cluster.emptyNamespace(team)
    const { code, stderr } = await trow.install()
    assert.equal(code, 0, stderr)
    const rules = [{ scope: 'trow.test', unverified: true }]
    const spec = { mode: 'enforce', default: 'deny', namespaces: { include: [team] }, rules }
    await objects.apply({ apiVersion: policyVersion, kind: 'TrowPolicy', metadata: { name: 'floor' }, spec })
  })
  after(async () => {
    await objects.close()
    await trow.kubectl('delete', 'namespace', team, timed, '--ignore-not-found', '--wait=false')
    await trow.close()
  })

  /** Resolves to the API server's answer to a pod with dryRun. */
  async function answer(image: string, namespace = team): Promise<string> {
    const { metadata, ...pod } = podOf({ containers: [image] }, 'probe')
    const object: KubeObject = { ...pod, metadata: { ...metadata, namespace } }
    try {
      await objects.apply(object, { dryRun: true, force: true })
      return 'admitted'
    } catch (error) {
      if (error instanceof ClusterFault && error.status !== undefined) return error.message
      throw error
    }
  }
  const refused = (): Promise<void> =>
    eventually(async () => assert.match(await answer(bad), /refused by the floor of trow: .*NOT_ALLOWED/))
  const admitted = (): Promise<void> =>
    eventually(async () => assert.equal(await answer(bad), 'admitted'), 15_000)

  async function scale(replicas: number): Promise<void> {
    const all = [`deployment/${admissionNames.workload}`, 'statefulset/trow']
    await trow.kubectl('-n', 'trow', 'scale', ...all, `--replicas=${replicas === 0 ? 0 : 1}`)
    if (replicas === 0) {
      await trow.kubectl('-n', 'trow', 'delete', 'pod', '--all', '--grace-period=0', '--force')
      await eventually(async () => {
        const pods = await objects.list({ apiVersion: 'v1', kind: 'Pod', namespace: 'trow' })
        assert.deepEqual(pods, [])
      })
    } else
      for (const each of all) await trow.kubectl('-n', 'trow', 'rollout', 'status', each, '--timeout=90s')
  }

  test('refuses a name within moments of the policy, and says so in status', async () => {
    await refused()
    assert.equal(await answer(good), 'admitted')
    assert.equal(await answer(bad, 'kube-system'), 'admitted')
    assert.equal(await answer(bad, 'default'), 'admitted')
    const { stdout } = await trow.trow('status')
    assert.match(stdout, /row "floor \+ webhook Ignore": while trow is down names are judged/)
  })

  test('a change of policies is in force at the registry, the webhook and the floor', async (context) => {
    await trow.cluster.emptyNamespace(timed)
    await trow.push({ ...busyboxImage(), name: 'app' }, `${timed}/app:1`)
    await using doors = await ThreeDoors.open(trow, { namespace: timed, answer })
    const policy = (spec: object): object => ({
      apiVersion: policyVersion,
      kind: 'TrowPolicy',
      metadata: { name: timed },
      spec: { mode: 'enforce', default: 'pass', ...spec },
    })
    const open = policy({})
    const shut = policy({
      deny: [{ scope: doors.names.floor, reason: 'it is timed' }],
      rules: [{ scope: `@trow/${timed}`, require: { platforms: ['linux/s390x'] } }],
    })
    for (const change of [open, shut, open, shut, open]) {
      const isShut = change === shut
      const begun = performance.now()
      await objects.apply(change as KubeObject)
      const times = await Promise.all(
        doors.all.map(({ refuses }) => inForceAfter(begun, async () => (await refuses()) === isShut)),
      )
      const shown = doors.all.map(({ name }, place) => `${name} ${times[place]?.toFixed(0)} ms`)
      context.diagnostic(`${isShut ? 'refused' : 'let in'} after: ${shown.join(', ')}`)
    }
    await objects.delete({ apiVersion: policyVersion, kind: 'TrowPolicy', name: timed })
  })

  test('is opened by an exception, and closed at its end', async () => {
    const spec = {
      policies: ['floor'],
      images: [{ scope: 'quay.io/evil' }],
      namespaces: [team],
      reason: 'hotfix',
      expires: new Date(Date.now() + 10_000).toISOString(),
    }
    const metadata = { name: 'floor-once' }
    await objects.apply({ apiVersion: policyVersion, kind: 'TrowException', metadata, spec })
    await admitted()
    await refused()
    await objects.delete({ apiVersion: policyVersion, kind: 'TrowException', name: 'floor-once' })
  })

  test('is put back by pods with the rights of the install', async () => {
    const before = await objects.get(binding)
    for (const part of floorParts) await objects.delete(part)
    await eventually(async () => {
      for (const part of floorParts) assert.ok(await objects.get(part), part.kind)
    })
    assert.notEqual((await objects.get(binding))?.metadata.uid, before?.metadata.uid)
    await refused()
  })

  test('stays when trow is installed again, and what is not wanted any more is removed', async () => {
    const uids = (): Promise<(string | undefined)[]> =>
      Promise.all(floorParts.map(async (part) => (await objects.get(part))?.metadata.uid))
    const before = await uids()
    const { code, stderr } = await trow.install('--prune')
    assert.equal(code, 0, stderr)
    assert.deepEqual(await uids(), before)
  })

  test('holds while no pod of trow is there, and break-glass opens it', async () => {
    await scale(0)
    await refused()
    assert.equal(await answer(good), 'admitted')
    const until = new Date(Date.now() + 300_000).toISOString()
    await trow.inShell(breakGlassLine('trow', until))
    await admitted()
  })

  test('stays open when trow is back, until the ConfigMap is deleted', async () => {
    await scale(1)
    const holder = async (): Promise<string> =>
      trow.kubectl('-n', 'trow', 'logs', `deployment/${admissionNames.workload}`)
    await eventually(async () => assert.match(await holder(), /the floor is open/), 60_000)
    assert.equal(await answer(bad), 'admitted')
    await trow.kubectl('-n', 'trow', 'delete', 'configmap', admissionNames.breakGlass)
    await refused()
  })

  test('goes with trow, whose admission pods run until then and whose registry is away, and with its policies kept', async () => {
    await trow.kubectl('-n', 'trow', 'scale', 'statefulset/trow', '--replicas=0')
    await trow.kubectl('-n', 'trow', 'delete', 'pod', 'trow-0', '--grace-period=0', '--force')
    const { code, stderr } = await trow.trow('uninstall', '-y')
    assert.equal(code, 0, stderr)
    assert.equal(await answer(bad), 'admitted')
    const policies = await trow.kubectl('get', 'trowpolicies', '-o', 'name')
    assert.match(policies, /\/floor$/m)
    const kinds =
      'validatingwebhookconfiguration,validatingadmissionpolicy,validatingadmissionpolicybinding,crd'
    const left = await trow.kubectl('get', kinds, '-o', 'name')
    assert.doesNotMatch(left, /floor|webhook/)
    assert.equal(await objects.get(parameters).catch(() => undefined), undefined)
  })
})
