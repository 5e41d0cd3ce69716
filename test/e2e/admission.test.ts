import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { KubeObject } from '../../src/cluster/cluster-objects.ts'
import { eventually, ProgramError } from '../support/program.ts'
import { imageProblem } from '../support/trow-image.ts'
import { testClosedDoor } from './admission-closed.ts'
import { AdmissionDoor, container, podIn } from './admission-door.ts'
import { between, printHistogram } from './histogram.ts'
import { busyboxImage } from './image.ts'
import { InstallFixture } from './install-fixture.ts'
import { clusterProblem } from './requirements.ts'

const good = 'trow.test/busybox:1'
const bad = 'quay.io/evil/app:1'
const quarantined = `trow.test/busybox@sha256:${'a'.repeat(64)}`
const team = 'doors-team'
const network = 'doors-net'
const pod = (name: string, image: string, spec?: object): KubeObject => podIn(team, name, image, spec)

/** The webhook of an install, on a real API server. */
suite('admission in a cluster', { skip: clusterProblem() || (await imageProblem()) }, () => {
  let trow: InstallFixture
  let door: AdmissionDoor

  before(async () => {
    trow = await InstallFixture.open('doors', { admission: true })
    door = await AdmissionDoor.open(trow, team)
    await trow.cluster.emptyNamespace(team)
    await trow.cluster.emptyNamespace(network)
    await trow.cluster.importImage({ ...busyboxImage(), name: bad })
    await door.installBefore()
    await door.objects.apply(policy())
    await door.create(pod('before', bad))
    await trow.podRuns('before', team)
    const { code, stderr } = await trow.install()
    assert.equal(code, 0, stderr)
    await door.withoutFloor(bad)
    // Each of the two pods watches the policies itself.
    await eventually(() => door.everyReviewSays(bad, /NOT_ALLOWED/), 30_000)
  })
  after(async () => {
    await door.close()
    await trow.kubectl('delete', 'namespace', team, network, '--ignore-not-found', '--wait=false')
    await trow.close()
  })

  const policy = (): KubeObject => ({
    apiVersion: 'policy.trow.io/v1alpha1',
    kind: 'TrowPolicy',
    metadata: { name: 'doors' },
    spec: {
      mode: 'enforce',
      default: 'deny',
      namespaces: { include: ['doors-*'] },
      deny: [{ digest: `sha256:${'a'.repeat(64)}`, reason: 'CVE-2026-1' }],
      rules: [
        { scope: 'trow.test', unverified: true },
        { scope: '@trow', unverified: true },
      ],
    },
  })

  test('what a policy refuses is refused at every place of a pod', async (context) => {
    assert.equal(await door.refusal(pod('good', good)), undefined)
    for (const [what, object, pattern] of [
      ['another host', pod('row', bad), /app: .*NOT_ALLOWED/],
      ['a host that looks alike', pod('row', 'trow.test.evil.example/busybox:1'), /NOT_ALLOWED/],
      ['the host with another port', pod('row', 'trow.test:444/busybox:1'), /NOT_ALLOWED/],
      [
        'an init container',
        pod('row', good, { initContainers: [container(bad, 'first')] }),
        /init first.*NOT_ALLOWED/,
      ],
      [
        'an image volume',
        pod('row', good, { volumes: [{ name: 'data', image: { reference: bad } }] }),
        /volume data.*NOT_ALLOWED/,
      ],
      ['the prefix of an image ID', pod('row', 'sha256:7'), /REF_ID/],
      ['a quarantined digest', pod('row', quarantined), /DENY_LIST.*CVE-2026-1/],
    ] as const) {
      const message = (await door.refusal(object)) ?? 'it is admitted'
      context.diagnostic(`${what}: ${message.split('\n').slice(1).join(' ')}`)
      assert.match(message, /admission webhook "pods\.trow\.io" denied the request/, what)
      assert.match(message, pattern, what)
    }
    const elsewhere = { ...pod('row', bad), metadata: { name: 'row', namespace: 'kube-system' } }
    assert.equal(await door.refusal(elsewhere), undefined)
  })

  test('an upgrade judges what is new: what ran before is changed, debugged and deleted as ever', async () => {
    await trow.kubectl('-n', team, 'annotate', 'pod', 'before', 'a=b')
    await trow.patch(team, 'pod', 'before', { metadata: { finalizers: ['trow.test/held'] } })
    await trow.kubectl('-n', team, 'debug', 'before', `--image=${good}`, '--profile=general')
    assert.match((await door.refusal(pod('after', bad))) ?? '', /NOT_ALLOWED/)
    await trow.kubectl('-n', team, 'delete', 'pod', 'before', '--wait=false')
    await trow.patch(team, 'pod', 'before', { metadata: { finalizers: null } })
    await trow.kubectl('-n', team, 'wait', '--for=delete', 'pod/before', '--timeout=60s')
    // Nothing is wrong except what this suite has removed.
    await trow.statusSays(/ValidatingAdmissionPolicyBinding trow-floor is missing: the floor is open/)
  })

  test('kubectl debug is refused, and the pod can still be changed and deleted', async () => {
    await door.create(pod('running', good))
    await trow.podRuns('running', team)
    await assert.rejects(
      trow.kubectl('-n', team, 'debug', 'running', `--image=${bad}`, '--profile=general'),
      (error: unknown) => error instanceof ProgramError && /debug .*NOT_ALLOWED/s.test(error.stderr),
    )
    await trow.kubectl('-n', team, 'label', 'pod', 'running', 'a=b')
  })

  test('a Deployment is made with a warning, and its pod is refused', async () => {
    const selector = { matchLabels: { app: 'warned' } }
    const template = { metadata: { labels: { app: 'warned' } }, spec: { containers: [container(bad)] } }
    const deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'warned', namespace: team },
      spec: { selector, template },
    }
    await assert.rejects(
      door.create(deployment, '--warnings-as-errors'),
      (error: unknown) =>
        error instanceof ProgramError && /created/.test(error.stdout) && /quay\.io\/evil/.test(error.stderr),
    )
    await eventually(async () => {
      const events = await trow.kubectl('-n', team, 'get', 'events', '-o', 'jsonpath={.items[*].message}')
      assert.match(events, /pods\.trow\.io.*denied/s)
    })
    await trow.kubectl('-n', team, 'delete', 'deployment', 'warned')
  })

  test('an exception lets it in, until its end', async () => {
    const expires = new Date(Date.now() + 15_000)
    await door.objects.apply({
      apiVersion: 'policy.trow.io/v1alpha1',
      kind: 'TrowException',
      metadata: { name: 'doors-once' },
      spec: {
        policies: ['doors'],
        images: [{ scope: 'quay.io/evil' }],
        namespaces: [team],
        reason: 'hotfix',
        expires: expires.toISOString(),
      },
    })
    await eventually(async () => assert.equal(await door.refusal(pod('excepted', bad)), undefined), 8000)
    await sleep(Math.max(0, expires.getTime() - Date.now()))
    await eventually(() => door.everyReviewSays(bad, /NOT_ALLOWED/), 5000)
    await trow.kubectl('delete', 'trowexception', 'doors-once')
  })

  test("another tenant's image is let in by default, and stands in the audit", async () => {
    await door.create(pod('tenant', 'trow.trow.svc/other-team/app:1'))
    await eventually(async () => {
      const { stdout, stderr } = await trow.trow('audit', 'query', '-o', 'json')
      assert.match(stdout, /NOT_YOURS/, stderr)
    }, 20_000)
    await trow.kubectl('-n', team, 'delete', 'pod', 'tenant', '--force')
  })

  test('a pod that ends under load costs no answer; both away under Ignore let everything in', async (context) => {
    const answers = { denied: 0, admitted: 0, other: 0 }
    let isDone = false
    const loop = async (): Promise<void> => {
      while (!isDone) {
        const message = await door.refusal(pod('load', bad)).catch(String)
        const kind = message === undefined ? 'admitted' : /NOT_ALLOWED/.test(message) ? 'denied' : 'other'
        answers[kind]++
      }
    }
    const loops = [loop(), loop(), loop(), loop()]
    await sleep(1000)
    const names = await trow.kubectl(
      '-n',
      'trow',
      'get',
      'pod',
      '-l',
      'app.kubernetes.io/component=admission',
      '-o',
      'name',
    )
    await trow.kubectl('-n', 'trow', 'delete', names.split('\n')[0] ?? '')
    await sleep(2000)
    isDone = true
    await Promise.all(loops)
    context.diagnostic(JSON.stringify(answers))
    assert.ok(answers.denied > 50)
    assert.deepEqual([answers.admitted, answers.other], [0, 0])

    await door.scale(0)
    await eventually(async () => assert.equal(await door.refusal(pod('open', bad)), undefined), 20_000)
    await door.scale(2)
    await eventually(() => door.everyReviewSays(bad, /NOT_ALLOWED/), 30_000)
  })

  test("the API server's own histogram of the webhook, beside that of the pods", async (context) => {
    const bare = pod('timed', good)
    const object = { ...bare, metadata: { ...bare.metadata, annotations: { notes: 'x'.repeat(20_000) } } }
    const ask = async (): Promise<number> => {
      const begun = performance.now()
      assert.equal(await door.refusal(object), undefined)
      return performance.now() - begun
    }
    await ask()
    const before = await door.times()
    const begun = performance.now()
    const atOnce = await Promise.all(Array.from({ length: 300 }, ask))
    context.diagnostic(`300 pods of 20 kB at once: the slowest after ${Math.max(...atOnce).toFixed(0)} ms`)
    const loop = async (): Promise<void> => {
      while (performance.now() - begun < 10_000) await ask()
    }
    await Promise.all(Array.from({ length: 8 }, loop))
    const after = await door.times()
    const [theirs, ours] = [between(before.apiServer, after.apiServer), between(before.pods, after.pods)]
    context.diagnostic(`the API server waited: ${printHistogram(theirs)}`)
    context.diagnostic(`the pods took:         ${printHistogram(ours)}`)
    assert.ok(theirs.count >= 300)
    assert.equal(ours.count, theirs.count, 'every review was answered by a pod')
  })

  testClosedDoor(() => ({ trow, door, team, network, good, bad }))

  test('uninstall with the pods away and Fail in force leaves nothing that refuses pods', async () => {
    await door.scale(0)
    const { code, stderr } = await trow.trow('uninstall', '--purge', '-y')
    assert.equal(code, 0, stderr)
    const kinds = 'clusterrole,clusterrolebinding,deployment,pdb,lease'
    const left = await trow.kubectl('get', kinds, '-A', '-l', 'app.kubernetes.io/part-of=trow', '-o', 'name')
    assert.equal(left.trim(), '')
    await door.isGone(bad)
  })
})
