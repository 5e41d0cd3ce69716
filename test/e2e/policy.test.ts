import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseAllDocuments } from 'yaml'
import { openCri } from '../../src/agent/cri.ts'
import { CredentialSource } from '../../src/cluster/credential-source.ts'
import { loadKubeContext } from '../../src/cluster/kubeconfig.ts'
import { connectObjects, type OpenClusterObjects } from '../../src/cluster/kubernetes-objects.ts'
import { policyStatusSchema, type PolicyObjectStatus } from '../../src/cluster/policy-object.ts'
import { ClusterWriter } from '../../src/policy-store/cluster-writer.ts'
import { UserError } from '../../src/user-error.ts'
import { send, type Answered, type Sender } from '../enforcement/guarded-registry.ts'
import { config, image, layer, push, type Image } from '../enforcement/images.ts'
import { eventually } from '../support/program.ts'
import { startedServer, type ServerProcess } from '../support/server-process.ts'
import { imageProblem } from '../support/trow-image.ts'
import { Cluster } from './cluster.ts'
import { installerKubeconfig } from './command-line.ts'
import { busyboxImage } from './image.ts'
import { InstallFixture } from './install-fixture.ts'
import { clusterProblem } from './requirements.ts'

const apiVersion = 'policy.trow.io/v1alpha1'
const crds = ['trowpolicies.policy.trow.io', 'trowexceptions.policy.trow.io']

interface Document {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: object
}

function policy(name: string, spec: object): Document {
  return {
    apiVersion,
    kind: 'TrowPolicy',
    metadata: { name },
    spec: { mode: 'enforce', default: 'pass', ...spec },
  }
}

function denying(name: string, scope: string): Document {
  return policy(name, { deny: [{ scope, reason: 'it is bad' }] })
}

async function apply(cluster: Cluster, document: object, ...args: readonly string[]): Promise<string> {
  const flags = ['apply', '--server-side', ...args, '-f', '-']
  return cluster.kubectl(flags, { stdin: JSON.stringify(document) })
}

async function statusOf(cluster: Cluster, name: string, kind = 'trowpolicy'): Promise<PolicyObjectStatus> {
  const text = await cluster.kubectl(['get', kind, name, '-o', 'json'])
  return policyStatusSchema.parse((JSON.parse(text) as { status?: unknown }).status ?? {})
}

/** `Accepted=True Loaded, Enforcing=True InForce`. */
function words({ conditions = [] }: PolicyObjectStatus): string {
  return conditions.map(({ type, status, reason }) => `${type}=${status} ${reason}`).join(', ')
}

function saysSoon(cluster: Cluster, name: string, wanted: string, kind?: string): Promise<void> {
  return eventually(async () => assert.equal(words(await statusOf(cluster, name, kind)), wanted), 30_000)
}

const good = 'Accepted=True Loaded, Enforcing=True InForce'
const lastGood = 'Accepted=False Invalid, Enforcing=True LastGood'

/** Servers on this machine that take their policies from a real API server. */
suite('policies of a real API server', { skip: clusterProblem() }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-policy-e2e-'))
  const servers: ServerProcess[] = []
  let cluster: Cluster
  let kubeconfig: string
  let objects: OpenClusterObjects

  before(async () => {
    cluster = await Cluster.open()
    kubeconfig = await installerKubeconfig(cluster)
    const context = loadKubeContext({ env: {}, cwd: '/', kubeconfig })
    const credentials = new CredentialSource(context, { env: {}, interactive: false, now: Date.now })
    objects = await connectObjects({ context, credentials })
    await cluster.kubectl(['delete', 'customresourcedefinition', ...crds, '--ignore-not-found'])
    const text = readFileSync(new URL('../../templates/policy-crds.yaml', import.meta.url), 'utf8')
    for (const document of parseAllDocuments(text)) await apply(cluster, document.toJS() as object)
    await cluster.kubectl(['wait', '--for=condition=Established', 'crd', ...crds, '--timeout=30s'])
  })
  after(async () => {
    for (const server of servers) await server.stop()
    await cluster.kubectl(['delete', 'customresourcedefinition', ...crds, '--ignore-not-found'])
    await objects.close()
    await cluster.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function serve(
    name: string,
    ...args: readonly string[]
  ): Promise<Sender & { readonly server: ServerProcess }> {
    const server = await startedServer({ data: join(folder, name), args })
    servers.push(server)
    const port = Number(new URL(server.url).port)
    return { server, send: (method, path, more) => send(port, method, path, more) }
  }
  const fromCluster = (name: string) => serve(name, '--policy-cluster', '--kubeconfig', kubeconfig)

  const rule = { scope: '@trow', unverified: true }
  for (const [what, spec, wanted] of [
    ['another mode', { mode: 'enforced' }, /spec\.mode.*supported values: "enforce", "warn", "audit", "off"/],
    ['no default', { default: undefined }, /spec\.default.*[Rr]equired/],
    ['a list that is none', { rules: { scope: '@trow' } }, /spec\.rules/],
    ['a rule without a scope', { rules: [{ unverified: true }] }, /spec\.rules\[0\]\.scope.*[Rr]equired/],
    ['a rule that says nothing', { rules: [{ scope: '@trow' }] }, /spec\.rules\[0\].*one and only one/],
    ['a rule that says two things', { rules: [{ ...rule, require: { digest: true } }] }, /one and only one/],
    ['what is neither scope nor digest', { deny: [{ reason: 'x' }] }, /spec\.deny\[0\].*one and only one/],
    ['a digest that is none', { deny: [{ digest: 'sha256:ab', reason: 'x' }] }, /spec\.deny\[0\]\.digest/],
    ['a reason of two lines', { deny: [{ scope: 'quay.io', reason: 'a\nb' }] }, /spec\.deny\[0\]\.reason/],
    ['a number without a unit', { rules: [{ scope: '@trow', require: { maxSize: '12' } }] }, /maxSize/],
    ['10,001 rules', { rules: Array.from({ length: 10_001 }, () => rule) }, /spec\.rules.*(10000|at most)/],
    ['a field of a later release', { signers: { a: {} } }, /spec\.signers.*must not validate/],
  ] as const)
    test(`the API server refuses ${what}`, async () => {
      await assert.rejects(apply(cluster, policy('malformed', spec)), (error: unknown) => {
        assert.match(String(error), wanted)
        return true
      })
    })

  test('an exception without its namespaces or with a date for a time is refused', async () => {
    const spec = { policies: ['p'], images: [{ scope: 'quay.io' }], namespaces: ['*'], reason: 'x' }
    const metadata = { name: 'malformed' }
    for (const [more, wanted] of [
      [{ expires: '2026-12-10' }, /spec\.expires.*date-time/],
      [{ expires: '2026-12-10T00:00:00Z', namespaces: undefined }, /spec\.namespaces.*[Rr]equired/],
    ] as const)
      await assert.rejects(
        apply(cluster, { apiVersion, kind: 'TrowException', metadata, spec: { ...spec, ...more } }),
        (error: unknown) => wanted.test(String(error)),
      )
  })

  test('10,000 rules and 10,000 digests are one object, which a registry takes and judges by', async (context) => {
    const registry = await fromCluster('large')
    const bad = image([config('amd64'), layer('the last of ten thousand')])
    await push(registry, 'team/app', bad, '1')
    const digest = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`
    const deny = Array.from({ length: 9999 }, (_, index) => ({ digest: digest(`${index}`), reason: 'CVE' }))
    const large = policy('large', {
      default: 'deny',
      deny: [...deny, { digest: bad.digest, reason: 'CVE' }],
      rules: Array.from({ length: 10_000 }, (_, index) => ({
        scope: index === 0 ? '@trow' : `ghcr.io/a/${index}`,
        unverified: true,
      })),
    })
    const { length } = JSON.stringify(large)
    assert.ok(length < 1_500_000, String(length))
    const begin = performance.now()
    await apply(cluster, large)
    const applied = performance.now()
    await eventually(async () => {
      assert.equal((await registry.send('GET', '/v2/team/app/manifests/1')).status, 403)
    }, 30_000)
    const judged = performance.now()
    await saysSoon(cluster, 'large', good)
    context.diagnostic(
      `${length} bytes: applied in ${Math.round(applied - begin)} ms, in force ${Math.round(judged - applied)} ms later`,
    )
    await cluster.kubectl(['delete', 'trowpolicy', 'large'])
    await eventually(async () => {
      assert.equal((await registry.send('GET', '/v2/team/app/manifests/1')).status, 200)
    }, 30_000)
    await registry.server.stop()
  })

  test('the same policies as files and as objects give the same answers', async (context) => {
    const images: Readonly<Record<string, Image>> = {
      app: image([config('amd64'), layer('app')]),
      bad: image([config('amd64'), layer('bad')]),
      part: image([config('arm64'), layer('a layer that is denied')]),
      large: image([config('amd64'), layer('x'.repeat(5000))]),
    }
    const names = ['good/app', 'bad/app', 'prod/app', 'none/app']
    const denied = images['part']?.blobs[1]?.digest
    const documents = [
      policy('first', {
        default: 'deny',
        deny: [
          { scope: '@trow/bad', reason: 'the team is gone', fix: 'ask ada' },
          { digest: images['bad']?.digest, reason: 'CVE-2024-3094' },
          { digest: denied, reason: 'CVE-2026-1' },
        ],
        rules: [
          { scope: '@trow/good', unverified: true },
          { scope: '@trow/bad', unverified: true },
          { scope: '@trow/prod', require: { tags: { deny: ['latest'] }, maxSize: '4kB' } },
        ],
      }),
      policy('second', { mode: 'warn', deny: [{ scope: '@trow/prod', reason: 'it will go' }] }),
      {
        apiVersion,
        kind: 'TrowException',
        metadata: { name: 'once' },
        spec: {
          policies: ['first'],
          images: [{ scope: '@trow/good' }],
          namespaces: ['*'],
          reason: 'hotfix',
          overrideDeny: true,
          expires: new Date(Date.now() + 86_400_000).toISOString(),
        },
      },
    ]
    const policies = join(folder, 'policies')
    mkdirSync(policies)
    const [files, cluster1] = [await serve('files', '--policy-dir', policies), await fromCluster('objects')]
    for (const registry of [files, cluster1])
      for (const name of names)
        for (const [tag, each] of Object.entries(images)) await push(registry, name, each, tag)
    writeFileSync(join(policies, 'all.yaml'), documents.map((each) => JSON.stringify(each)).join('\n---\n'))
    for (const document of documents) await apply(cluster, document)
    await saysSoon(cluster, 'first', good)
    await saysSoon(cluster, 'second', good)
    await saysSoon(cluster, 'once', good, 'trowexception')

    const paths = names.flatMap((name) => [
      ...Object.entries(images).flatMap(([tag, { digest, blobs }]) => [
        `/v2/${name}/manifests/${tag}`,
        `/v2/${name}/manifests/${digest}`,
        ...blobs.map((blob) => `/v2/${name}/blobs/${blob.digest}`),
      ]),
      `/v2/${name}/manifests/latest`,
    ])
    // The id of a decision and the host differ between registries.
    const plain = ({ status, code, message, headers }: Answered): unknown => [
      status,
      code,
      message.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID'),
      String(headers['warning'] ?? '').replaceAll(/:\d+/g, ''),
    ]
    const statuses = new Map<number, number>()
    await eventually(async () => {
      assert.equal((await files.send('GET', '/v2/none/app/manifests/app')).status, 403)
    }, 10_000)
    for (const path of paths) {
      const [one, other] = [await files.send('GET', path), await cluster1.send('GET', path)]
      assert.deepEqual(plain(other), plain(one), path)
      statuses.set(one.status, (statuses.get(one.status) ?? 0) + 1)
    }
    for (const name of names)
      for (const [tag, each] of Object.entries(images)) {
        const more = { headers: { 'content-type': each.mediaType }, body: each.bytes }
        const path = `/v2/${name}/manifests/${tag}`
        assert.deepEqual(
          plain(await cluster1.send('PUT', path, more)),
          plain(await files.send('PUT', path, more)),
          `PUT ${path}`,
        )
      }
    context.diagnostic(`${paths.length} pulls: ${JSON.stringify(Object.fromEntries(statuses))}`)
    assert.ok((statuses.get(200) ?? 0) > 5 && (statuses.get(403) ?? 0) > 5)
    for (const { kind, metadata } of documents)
      await cluster.kubectl(['delete', kind.toLowerCase(), metadata.name])
    await files.server.stop()
    await cluster1.server.stop()
  })

  test('one that is broken says so, stays as it was last good, and is mended', async (context) => {
    const registry = await fromCluster('broken')
    const push403 = async (name: string): Promise<number> =>
      (await registry.send('POST', `/v2/${name}/blobs/uploads/`)).status
    await apply(cluster, denying('p', '@trow/bad'))
    await saysSoon(cluster, 'p', good)
    assert.deepEqual([await push403('bad/app'), await push403('good/app')], [403, 202])

    // The API server accepts both faults: an unknown field name, and a scope that matches nothing.
    for (const [spec, wanted] of [
      [{ denny: [1] }, /^spec\.denny: is no field here/],
      [{ deny: [{ scope: 'nginx', reason: 'x' }] }, /^spec\.deny\[0\]\.scope: SCOPE_SHORT/],
    ] as const) {
      await apply(cluster, policy('p', spec))
      await eventually(async () => {
        const { problems: [problem = ''] = [] } = await statusOf(cluster, 'p')
        assert.match(problem, wanted)
        context.diagnostic(problem)
      }, 30_000)
      await saysSoon(cluster, 'p', lastGood)
      assert.equal(await push403('bad/app'), 403)
    }
    for (const line of (await cluster.kubectl(['get', 'trowpolicies'])).trimEnd().split('\n'))
      context.diagnostic(line)

    await apply(cluster, denying('p', '@trow/worse'))
    await saysSoon(cluster, 'p', good)
    assert.deepEqual([await push403('bad/app'), await push403('worse/app')], [202, 403])
    const { problems: none } = await statusOf(cluster, 'p')
    assert.equal(none, undefined)
    await registry.server.stop()
  })

  test('an edit takes what it changes, and leaves to other field managers what is theirs', async (context) => {
    const writer = new ClusterWriter(objects)
    const named = { kind: 'TrowPolicy', name: 'edited' } as const
    await apply(cluster, policy('edited', { at: { pull: 'warn' }, rules: [rule] }), '--field-manager=argocd')
    const first = await writer.read(named)
    const document = first?.document as Document
    const deny = [{ scope: 'quay.io/bad', reason: 'it is bad' }]
    const added = await writer.write({
      ...named,
      from: first?.hash,
      document: { ...document, spec: { ...document.spec, deny } },
    })
    assert.equal((await writer.read(named))?.hash, added.hash)
    // The other field manager keeps its fields.
    await apply(cluster, policy('edited', { mode: 'warn', rules: [rule] }), '--field-manager=argocd')
    const now = (await writer.read(named))?.document as Document
    assert.deepEqual(now.spec, { mode: 'warn', default: 'pass', rules: [rule], deny })

    for (const spec of [
      { ...now.spec, mode: 'audit' },
      { ...now.spec, rules: undefined },
    ])
      await assert.rejects(
        writer.write({ ...named, document: { ...now, spec: JSON.parse(JSON.stringify(spec)) as object } }),
        (error: unknown) => {
          assert.ok(error instanceof UserError && error.code === 'POLICY_OWNED', String(error))
          assert.match(error.message, /argocd has \.spec\./)
          context.diagnostic(`${error.message}. ${error.hint}`)
          return true
        },
      )
    await assert.rejects(
      writer.write({ ...named, from: first?.hash, document: now }),
      (error: unknown) => error instanceof UserError && error.code === 'POLICY_CONFLICT',
    )
    // Entries that trow owns are removed.
    const { deny: _mine, ...rest } = now.spec as { deny?: unknown }
    await writer.write({ ...named, document: { ...now, spec: rest } })
    const left = (await writer.read(named))?.document as Document
    assert.deepEqual(left.spec, rest)
    await cluster.kubectl(['delete', 'trowpolicy', 'edited'])
    await writer.write({ ...named, name: 'own', document: denying('own', '@trow/bad'), from: null })
    await writer.write({ ...named, name: 'own' })
    assert.equal(await writer.read({ ...named, name: 'own' }), undefined)
  })

  test('decisions go on while the API server is away, and changes are seen when it is back', async (context) => {
    const registry = await fromCluster('away')
    const status = async (name: string): Promise<number> =>
      (await registry.send('POST', `/v2/${name}/blobs/uploads/`)).status
    await apply(cluster, denying('p', '@trow/bad'))
    await eventually(async () => assert.equal(await status('bad/app'), 403), 20_000)
    await cluster.stopApiServer('killed')
    try {
      for (let second = 0; second < 12; second++) {
        assert.deepEqual([await status('bad/app'), await status('good/app')], [403, 202])
        await sleep(1000)
      }
    } finally {
      await cluster.startApiServer()
    }
    const back = performance.now()
    await apply(cluster, denying('p', '@trow/worse'))
    await eventually(async () => {
      assert.deepEqual([await status('bad/app'), await status('worse/app')], [202, 403])
    }, 30_000)
    context.diagnostic(
      `a change is in force ${Math.round(performance.now() - back)} ms after the API server is back`,
    )
    await saysSoon(cluster, 'p', good)
    await cluster.kubectl(['delete', 'trowpolicy', 'p'])
    await registry.server.stop()
  })
})

/** Policies of an install, and their effect on nodes and pods. */
suite('policies of an install', { skip: clusterProblem() || (await imageProblem()) }, () => {
  let trow: InstallFixture

  before(async () => {
    trow = await InstallFixture.open('policy')
    const { code, stderr } = await trow.install()
    assert.equal(code, 0, stderr)
    await trow.push({ ...busyboxImage(), name: 'app' }, 'default/app:1')
    const other = busyboxImage()
    await trow.push({ ...other, name: 'bad', config: { ...other.config, User: '7' } }, 'default/bad:1')
  })
  after(async () => {
    await trow.removePods('policy-ok', 'policy-bad')
    await trow.close()
  })

  const names = async (): Promise<string> =>
    (await trow.kubectl('get', 'trowpolicies', '-o', 'name')).trim().split('\n').join(' ')

  test('it brings one policy, in audit mode, which the registry judges by, and status says so', async (context) => {
    assert.equal(await names(), 'trowpolicy.policy.trow.io/baseline')
    await saysSoon(trow.cluster, 'baseline', good)
    await trow.healthy()
    const { stdout } = await trow.trow('status')
    const line = stdout.split('\n').find((each) => each.includes('judges by the policies'))
    assert.match(line ?? stdout, /1 TrowPolicy, 0 TrowExceptions/)
    context.diagnostic(line ?? '')
    for (const each of (await trow.kubectl('get', 'trowpolicies')).trimEnd().split('\n'))
      context.diagnostic(each)
  })

  test('a pod is refused an image whose digest is denied, and its event says why', async (context) => {
    const [node] = trow.cluster.nodes
    assert.ok(node)
    const shown = await trow.trow('inspect', 'default/bad:1', '-o', 'json')
    assert.equal(shown.code, 0, shown.stderr)
    const [digest = ''] = /sha256:[0-9a-f]{64}/.exec(shown.stdout) ?? []
    const deny = [{ digest, reason: 'CVE-2024-3094', fix: 'use default/app:1' }]
    await apply(trow.cluster, policy('quarantine', { deny }))
    await saysSoon(trow.cluster, 'quarantine', good)
    await trow.createPod('policy-ok', node.name, 'trow.trow.svc/default/app:1')
    await trow.podRuns('policy-ok')
    await trow.createPod('policy-bad', node.name, 'trow.trow.svc/default/bad:1')
    await eventually(async () => {
      const selector = 'involvedObject.name=policy-bad,reason=Failed'
      const text = await trow.kubectl('get', 'events', '--field-selector', selector, '-o', 'json')
      const { items } = JSON.parse(text) as { items: { message: string }[] }
      const message = items.map((item) => item.message).find((each) => each.includes('pull image'))
      assert.ok(message, text)
      context.diagnostic(message)
      assert.match(message, /DENY_LIST/)
      assert.match(message, /quarantine/)
      assert.match(message, /CVE-2024-3094/)
    }, 60_000)
  })

  test('nodes are refused it while the API server is away, and get what is allowed', async () => {
    const [node] = trow.cluster.nodes
    assert.ok(node)
    const cri = await openCri(node.outside('/run/containerd/containerd.sock'))
    await trow.cluster.stopApiServer('killed')
    try {
      await sleep(5000)
      await assert.rejects(cri.pullImage('trow.trow.svc/default/bad:1', 60_000), /DENY_LIST/)
      await cri.removeImage('trow.trow.svc/default/app:1')
      await cri.pullImage('trow.trow.svc/default/app:1', 60_000)
    } finally {
      await trow.cluster.startApiServer()
      cri.close()
    }
    await trow.healthy()
  })

  test('a policy that refuses every push says so, and the nodes’ canary is not judged by it', async () => {
    await apply(trow.cluster, policy('everything', { default: 'deny' }))
    await saysSoon(trow.cluster, 'everything', good)
    const archive = await trow.archive({ ...busyboxImage(), name: 'refused' })
    const refused = await trow.trow('push', archive, 'default/refused:1')
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /NOT_ALLOWED/)
    const { code, stderr } = await trow.install()
    assert.equal(code, 0, stderr)
    await trow.kubectl('delete', 'trowpolicy', 'everything')
  })

  test('the first policy is never applied again: not over a change, not after it was deleted', async () => {
    const version = (): Promise<string> =>
      trow.kubectl('get', 'trowpolicy', 'baseline', '-o', 'jsonpath={.spec.mode} {.metadata.generation}')
    await trow.kubectl('patch', 'trowpolicy', 'baseline', '--type=merge', '-p', '{"spec":{"mode":"warn"}}')
    const before = await version()
    assert.equal(before, 'warn 2')
    const again = await trow.install()
    assert.equal(again.code, 0, again.stderr)
    assert.equal(await version(), before)
    await trow.kubectl('delete', 'trowpolicies', '--all')
    const last = await trow.install()
    assert.equal(last.code, 0, last.stderr)
    assert.equal(await names(), '')
  })

  test('the registry may write the status of policies and nothing else of them; trow-policy-admin may change them', async () => {
    const may = async (verb: string, resource: string, as: string): Promise<string> =>
      (
        await trow
          .kubectl('auth', 'can-i', verb, ...resource.split(' '), `--as=${as}`)
          .catch((error: unknown) => (String(error).includes('no') ? 'no' : String(error)))
      ).trim()
    const registry = 'system:serviceaccount:trow:trow'
    for (const [verb, resource, wanted] of [
      ['watch', 'trowpolicies.policy.trow.io', 'yes'],
      ['patch', 'trowpolicies.policy.trow.io --subresource=status', 'yes'],
      ['patch', 'trowpolicies.policy.trow.io', 'no'],
      ['delete', 'trowexceptions.policy.trow.io', 'no'],
    ] as const)
      assert.equal(await may(verb, resource, registry), wanted, `${verb} ${resource}`)
    assert.equal(await may('create', 'trowexceptions.policy.trow.io', 'ada'), 'no')
    const binding = ['clusterrolebinding', 'policy-ada']
    await trow.kubectl('create', ...binding, '--clusterrole=trow-policy-admin', '--user=ada')
    assert.equal(await may('create', 'trowexceptions.policy.trow.io', 'ada'), 'yes')
    await trow.kubectl('delete', ...binding)
  })

  test('an uninstall keeps the policies, which the next install finds; --purge takes them', async (context) => {
    await apply(trow.cluster, denying('mine', '@trow/bad'))
    const gone = await trow.trow('uninstall', '-y')
    assert.equal(gone.code, 0, gone.stderr)
    const [kept] = gone.stderr.split('\n').filter((line) => line.startsWith('kept: CustomResourceDefinition'))
    context.diagnostic(kept ?? gone.stderr)
    assert.match(kept ?? '', /trowpolicies\.policy\.trow\.io with 1 of its objects: --purge deletes them/)
    assert.equal(await names(), 'trowpolicy.policy.trow.io/mine')
    const again = await trow.install()
    assert.equal(again.code, 0, again.stderr)
    assert.equal(await names(), 'trowpolicy.policy.trow.io/mine')
    await saysSoon(trow.cluster, 'mine', good)
    const purged = await trow.trow('uninstall', '--purge', '-y')
    assert.equal(purged.code, 0, purged.stderr)
    assert.match(purged.stdout, /with every policy and exception of the cluster: 1/)
    assert.equal((await trow.kubectl('get', 'crd', '-o', 'name')).includes('policy.trow.io'), false)
  })
})
