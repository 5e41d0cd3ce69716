import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { after, before, beforeEach, suite, test } from 'node:test'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decide } from '../../src/policy/decide.ts'
import { refusalText } from '../../src/policy/refusal-text.ts'
import { compileFloor, floorLimits } from '../../src/policy/floor/compile-floor.ts'
import { floorReferences } from '../../src/policy/floor/floor-objects.ts'
import { digest, exception, makePolicies, makeSet, now, policiesOf, policy } from '../policy/fixtures.ts'
import { apiServerProblem } from '../support/api-server.ts'
import { runCommand } from '../support/run-trow.ts'
import { eventually } from '../support/program.ts'
import { podOf, type FloorDoor } from './floor-door.ts'
import { excludedNamespaces, FloorCluster } from './floor-fixture.ts'

const good = 'ghcr.io/acme/app:1'
const bad = 'evil.com/x'
const set = makePolicies([policy({ rules: [{ scope: 'ghcr.io/acme', unverified: true }] })])
const passing = makePolicies([policy({ mode: 'audit' })])

suite('the floor, at each place of a pod', { skip: apiServerProblem() }, () => {
  let cluster: FloorCluster
  let door: FloorDoor
  /** Until the objects of the floor themselves are what is tried. */
  let isHeld = true

  before(async () => {
    cluster = await FloorCluster.start()
    door = cluster.door
    await door.install(excludedNamespaces)
  })
  after(() => cluster.close())
  beforeEach(() => (isHeld ? door.put(set, now) : undefined))

  const pods = '/api/v1/namespaces/default/pods'
  const allows = (answer: string) => assert.equal(answer, 'allow')
  const refuses = (answer: string) =>
    assert.match(answer, /denied request: refused by the floor of trow: evil\.com/)
  const make = async (name: string, image: string, more: object = {}) => {
    await door.put(passing, now)
    const pod = podOf({ containers: [image, good] }, name)
    allows(await door.send('POST', pods, { ...pod, metadata: { ...pod.metadata, ...more } }))
    await door.put(set, now)
  }

  test('containers, init containers, image volumes: each refuses the pod, and the message names the image', async () => {
    allows(await door.ask({ containers: [good], initContainers: [good], volumes: [good] }))
    refuses(await door.ask({ containers: [good, bad] }))
    refuses(await door.ask({ containers: [good], initContainers: [bad] }))
    refuses(await door.ask({ containers: [good], volumes: [good, bad] }))
    const answer = await door.ask({ containers: [bad], initContainers: [`${bad}/i`] })
    assert.match(
      answer,
      /evil\.com\/x\/i {2}p: NOT_ALLOWED no rule .*; evil\.com\/x {2}p: NOT_ALLOWED no rule covers the name, .* Fix: use an image/,
    )
  })

  test('a refusal reads as that of the judge, in one line, and stands in the audit log of the API server', async () => {
    const rules = [
      { scope: 'ghcr.io/acme', require: { digest: true } },
      { scope: 'ghcr.io/tags', require: { tags: { deny: ['latest'] } } },
    ]
    const asked = makeSet([policy({ rules })], { noPolicy: 'deny' })
    await door.put(policiesOf(asked), now)
    for (const [name, namespace] of [
      [bad, 'default'],
      [good, 'default'],
      ['ghcr.io/tags/app', 'default'],
    ] as const) {
      const answer = decide(
        { point: 'admission', namespace, images: [{ place: '', name, fact: undefined }] },
        asked,
        now,
      )
      assert.equal(answer.kind, 'deny')
      const [, line = ''] = (refusalText(answer.verdicts, undefined) ?? '').split('\n  ')
      const [, words = 'it says nothing'] = line.split('  ')
      const refused = await door.ask({ containers: [name] }, namespace)
      assert.ok(refused.endsWith(`refused by the floor of trow: ${name}  p: ${words}`), `${refused}\n${line}`)
      await eventually(() => {
        const key = 'validation.policy.admission.k8s.io/validation_failure'
        const noted = cluster.server.auditLog.split('\n').filter((each) => each.includes(key))
        assert.ok(noted.some((each) => each.includes(`${name}  p: `)))
        return Promise.resolve()
      })
    }
    const denied = makeSet([policy({ default: 'pass', deny: [{ scope: 'evil.com', reason: 'x' }] })])
    await door.put(policiesOf(denied), now)
    assert.match(
      await door.ask({ containers: [bad] }),
      /evil\.com\/x {2}p: DENY_LIST it stands on the deny list/,
    )
    assert.match(await door.ask({ containers: ['sha256:7'] }), /sha256:7 {2}p: REF it is no image name/)
  })

  test('a debugging container is judged, and the pod that gets it is not', async () => {
    await make('debugged', bad)
    const debug = (image: string) =>
      door.send('PATCH', `${pods}/debugged/ephemeralcontainers?dryRun=All`, {
        spec: { ephemeralContainers: [{ name: 'debug', image }] },
      })
    allows(await debug(good))
    refuses(await debug(`${bad}/debug`))
  })

  test('what runs already can be labelled, finalized, resized and deleted', async () => {
    await make('old', bad, { finalizers: ['trow.test/hold'] })
    allows(await door.send('PATCH', `${pods}/old`, { metadata: { labels: { a: 'b' } } }))
    const resources = { requests: { cpu: '10m' } }
    allows(
      await door
        .send('PATCH', `${pods}/old/resize?dryRun=All`, {
          spec: { containers: [{ name: 'c0', resources }] },
        })
        .then((answer) => (answer.includes('floor') ? answer : 'allow')),
    )
    await cluster.server.kubectl(['delete', 'pod', 'old', '--wait=false', '--grace-period=0', '--force'])
    allows(await door.send('PATCH', `${pods}/old`, { metadata: { finalizers: null, labels: { c: 'd' } } }))
  })

  test('an update is judged by the images that are other ones than before at their place', async () => {
    await make('updated', bad)
    const change = (...images: readonly [string, string]) =>
      door.send('PATCH', `${pods}/updated?dryRun=All`, {
        spec: { containers: images.map((image, place) => ({ name: `c${place}`, image })) },
      })
    allows(await change(bad, `${good}2`))
    allows(await change(good, good))
    refuses(await change(`${bad}2`, good))
    // The image was in the pod before, in another container.
    refuses(await change(bad, bad))
  })

  test('excluded namespaces are not seen, and namespaces of the policy are those of the request', async () => {
    for (const namespace of excludedNamespaces) allows(await door.ask({ containers: [bad] }, namespace))
    refuses(await door.ask({ containers: [bad] }, 'trow-other'))
  })

  test('the mirror of a static pod passes where its node makes it, and where nobody else does', async () => {
    const mirror = podOf({ containers: [bad] }, 'mirror')
    const annotations = { 'kubernetes.io/config.mirror': 'x' }
    const spec = { ...(mirror['spec'] as object), nodeName: 'n1' }
    const pod = { ...mirror, metadata: { ...mirror.metadata, annotations }, spec }
    const node = await cluster.as('system:node:n1', ['system:nodes', 'system:masters'])
    const other = await cluster.as('system:node:n1', ['system:masters'])
    allows(await node.send('POST', `${pods}?dryRun=All`, pod))
    refuses(await node.send('POST', `${pods}?dryRun=All`, mirror))
    refuses(await other.send('POST', `${pods}?dryRun=All`, pod))
    refuses(await door.send('POST', `${pods}?dryRun=All`, pod))
  })

  test('10,000 rules and 20 containers fit into what an evaluation may cost, and 1,000 containers too', async () => {
    const rules = Array.from({ length: 10_000 }, (_, place) => ({
      scope: `registry${place % 100}.corp.example/team${place}/app`,
      require: { digest: true },
    }))
    await door.put(makePolicies([policy({ rules })]), now)
    const image = (place: number) => `registry${place % 100}.corp.example/team${place}/app/x/y@${digest('a')}`
    const images = (count: number) => Array.from({ length: count }, (_, place) => image(place * 7))
    allows(await door.ask({ containers: images(20) }))
    refuses(await door.ask({ containers: [...images(19), bad] }))
    await door.put(set, now)
    allows(await door.ask({ containers: Array.from({ length: 1000 }, () => good) }))
    refuses(await door.ask({ containers: [...Array.from({ length: 999 }, () => good), bad] }))
  })

  test('20 containers fit at the limits that the floor has for policies and exceptions', async () => {
    const path = (length: number) => Array.from({ length }, () => 'x').join('/')
    const deep = Array.from({ length: 6 }, (_, place) => [
      { scope: `*.${'a.'.repeat(place + 1)}corp.example`, unverified: true },
      { scope: `ghcr.io/${path(place + 1)}`, require: { digest: true } },
    ]).flat()
    const wide = [
      { scope: '*', unverified: true },
      { scope: 'ghcr.io', require: { digest: true } },
    ]
    const include = ['default', ...Array.from({ length: 60 }, (_, place) => `*${place}`.padEnd(62, 'x'))]
    const deny = [{ scope: 'ghcr.io/bad', reason: 'x' }]
    const policies = Array.from({ length: floorLimits.policies }, (_, place) =>
      policy({ namespaces: { include }, rules: place === 0 ? deep : wide, deny }, `p${place}`),
    )
    const named = policies.slice(1).map((_, place) => `p${place + 1}`)
    const exceptions = Array.from({ length: 10 }, (_, place) =>
      exception({ policies: named, images: [{ scope: 'ghcr.io' }, { scope: '*' }] }, `e${place}`),
    )
    const all = makePolicies([...policies, ...exceptions])
    const compiled = compileFloor(all, now)
    assert.equal(compiled.kind, 'compiled', JSON.stringify(compiled))
    await door.put(all, now)
    const twenty = (image: string) => Array.from({ length: 20 }, () => image)
    const host = `${'a.'.repeat(6)}corp.example`
    allows(await door.ask({ containers: twenty(`${host}/team/${path(6)}/some-long-application:v1.2.3`) }))
    const refused = await door.ask({ containers: twenty(`ghcr.io/${path(6)}/some-long-application:v1.2.3`) })
    assert.match(
      refused,
      /refused by the floor of trow: ghcr\.io.* p0: DIGEST_REQUIRED the name .*; p1: DIGEST_REQUIRED/,
    )
  })

  test('a pod that costs too much is refused, and changed it is not where no image changes', async () => {
    const many = podOf({ containers: Array.from({ length: 5000 }, () => good) }, 'many')
    assert.match(await door.send('POST', `${pods}?dryRun=All`, many), /denied request:.* resulted in error/s)
    await door.put(passing, now)
    allows(await door.send('POST', pods, many))
    await door.put(set, now)
    allows(await door.send('PATCH', `${pods}/many`, { metadata: { labels: { a: 'b' } } }))
    const change = (image: string) =>
      door.send('PATCH', `${pods}/many?dryRun=All`, { spec: { containers: [{ name: 'c77', image }] } })
    assert.match(await change(bad), /denied request:/)
  })

  test('without its parameters it refuses, outside of the excluded namespaces; without its binding it is open', async () => {
    isHeld = false
    await cluster.objects.delete(floorReferences.parameters)
    await eventually(async () => assert.match(await door.ask({ containers: [good] }), /no params found/))
    allows(await door.ask({ containers: [bad] }, 'kube-system'))
    await cluster.server.kubectl(['delete', 'validatingadmissionpolicybinding', 'trow-floor'])
    await eventually(async () => allows(await door.ask({ containers: [bad] })))
  })

  test('kubectl applies what is printed of files, and the floor is closed by that alone', async (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'trow-floor-'))
    context.after(() => rmSync(folder, { recursive: true }))
    const rules = [{ scope: 'ghcr.io/acme', require: { tags: { deny: ['off', '1.0'] } } }]
    writeFileSync(join(folder, 'policy.json'), JSON.stringify(policy({ rules })))
    const { stdout } = await runCommand(['policy', 'export', 'vap', folder])
    await cluster.server.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], {
      stdin: stdout,
    })
    await eventually(async () => refuses(await door.ask({ containers: [bad] })))
    allows(await door.ask({ containers: [good] }))
    for (const tag of ['off', '1.0'])
      assert.match(await door.ask({ containers: [`ghcr.io/acme/app:${tag}`] }), /TAG_DENIED/)
  })

  test('without the definition of its parameters it refuses, and without its policy it does nothing', async () => {
    await cluster.server.kubectl(['delete', 'crd', 'trowfloors.policy.trow.io'])
    await eventually(async () => assert.match(await door.ask({ containers: [good] }), /trow-floor/))
    await cluster.objects.delete(floorReferences.policy)
    await eventually(async () => allows(await door.ask({ containers: [bad] })))
  })
})
