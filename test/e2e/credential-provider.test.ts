import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { AgentFixture, agentNamespace, imageHost, treeOf, type AgentProcess } from './agent-fixture.ts'
import { readArchive } from './archive.ts'
import { Cluster } from './cluster.ts'
import { runInCluster } from './command-line.ts'
import { busyboxImage, writeImageArchive } from './image.ts'
import type { ClusterNode } from './node.ts'
import { restartKubelet } from './node-servers.ts'
import { eventually } from '../support/program.ts'
import { checkResult } from '../support/check-result.ts'
import { clusterProblem } from './requirements.ts'

const template = new URL('../../templates/kubelet-rbac.yaml', import.meta.url).pathname
const [team, other] = ['cred-team', 'cred-other']
const repository = `${team}/app`
const reference = `${imageHost}/${repository}:1`
/** An image that no node pulls. */
const secret = `${imageHost}/${team}/secret:1`
/** The kubelet takes it for the provider of a cloud. */
const cloudFolder = '/var/lib/kubelet/credential-provider'
const cloudFile = '/var/lib/kubelet/credential-provider-config.yaml'
const cloudConfig = `apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
  # of the cloud
  - name: cloud-credential-provider
    matchImages: ["*.azurecr.example"]
    defaultCacheDuration: 10m
    apiVersion: credentialprovider.kubelet.k8s.io/v1
`
const manifests = '/var/lib/kubelet/static-pods'
const flags = [
  `--image-credential-provider-config=${cloudFile}`,
  `--image-credential-provider-bin-dir=${cloudFolder}`,
  `--pod-manifest-path=${manifests}`,
]

interface PodEvent {
  readonly reason: string
  readonly message: string
}

/** Real kubelets: that of the first node has no providers, that of the second has those of a cloud. */
suite('pulls as the service account of the pod', { skip: clusterProblem() }, () => {
  let cluster: Cluster
  let fixture: AgentFixture
  let plain: ClusterNode
  let node: ClusterNode
  let agent: AgentProcess | undefined
  let tree: Readonly<Record<string, string>>
  const hostsFile = (): string =>
    readFileSync(join(node.outside('/etc/containerd/certs.d'), imageHost, 'hosts.toml'), 'utf8')

  before(async () => {
    cluster = await Cluster.open()
    const [first, second] = cluster.nodes
    assert.ok(first && second)
    ;[plain, node] = [first, second]
    await removePods()
    for (const each of [team, other]) await cluster.emptyNamespace(each)
    await cluster.kubectl(['apply', '-f', template])
    const agents = `system:serviceaccount:${agentNamespace}:trow-node`
    fixture = await AgentFixture.start(cluster, {
      audit: 'on',
      access: [
        { who: ['service-accounts'], repositories: ['{namespace}/**'], actions: ['pull'] },
        { who: ['nodes'], repositories: ['**'], actions: ['pull'] },
        { who: [agents], repositories: ['trow/canary'], actions: ['pull'] },
      ],
    })
    await push(repository, {})
    await push(`${team}/secret`, { Labels: { kept: 'from others' } })
    mkdirSync(node.outside(cloudFolder))
    mkdirSync(node.outside(manifests))
    const cloud = join(node.outside(cloudFolder), 'cloud-credential-provider')
    writeFileSync(cloud, '#!/bin/sh\nexit 1\n')
    chmodSync(cloud, 0o755)
    writeFileSync(node.outside(cloudFile), cloudConfig)
    tree = treeOf(node)
    await restartKubelet(node, flags)
  })
  after(async () => {
    await fixture?.close()
    await removePods()
    await restartKubelet(node)
    await restartKubelet(plain)
    await cluster.kubectl(['delete', '-f', template, '--ignore-not-found'])
    for (const path of [cloudFolder, cloudFile, manifests])
      rmSync(node.outside(path), { recursive: true, force: true })
    await cluster.kubectl(['wait', '--for=condition=Ready', `node/${node.name}`, '--timeout=60s'])
    await cluster.close()
  })

  test('until the kubelet is started again, the node pulls as before', async () => {
    await fixture.putDesiredState({ pullIdentity: 'service-account' })
    agent = await fixture.startAgent(node)
    const report = await fixture.reported(node, ({ phase }) => phase === 'ready')
    assert.equal(report.identity.kind, 'kubelet')
    const [problem] = report.problems
    assert.equal(problem?.code, 'PULL_IDENTITY_RESTART')
    assert.equal(problem.fatal, false)
    assert.match(problem.hint ?? '', /systemctl restart /)
    assert.match(hostsFile(), /client = /)
    const config = readFileSync(node.outside(cloudFile), 'utf8')
    assert.ok(config.startsWith(cloudConfig))
    assert.match(config, /name: "trow-credential-provider"/)
    // A foreign namespace, which the certificate of the node may pull.
    await create(other, 'as-node', { image: reference })
    await running(other, 'as-node')
    await removeImage()
  })

  test('after that the node shows no certificate, and the agent proves it by its own token', async (context) => {
    await restartKubelet(node, flags)
    const begin = performance.now()
    const report = await fixture.reported(
      node,
      ({ identity, phase, canary }) =>
        identity.kind === 'service-account' && phase === 'ready' && canary?.ok === true,
    )
    context.diagnostic(`seen ${((performance.now() - begin) / 1000).toFixed(1)} s after the restart`)
    assert.deepEqual(report.problems, [])
    assert.equal(report.identity.file, undefined)
    assert.doesNotMatch(hostsFile(), /client/)
  })

  test('an account pulls from its own namespace, and the audit log names it and its pod', async (context) => {
    const begin = performance.now()
    await create(team, 'app', { image: reference, pullPolicy: 'Always' })
    await running(team, 'app')
    context.diagnostic(`created to running: ${((performance.now() - begin) / 1000).toFixed(1)} s`)
    const events = await audit('allow', `system:serviceaccount:${team}:default`)
    const text = JSON.stringify(events)
    context.diagnostic(text.slice(0, 600))
    assert.match(text, new RegExp(`system:serviceaccount:${team}:default`))
    assert.match(text, /"app"/)
    assert.doesNotMatch(text, /system:node:/)
  })

  test('an account of another namespace may not, and the event of its pod says why', async (context) => {
    await create(other, 'denied', { image: reference, pullPolicy: 'Always' })
    const message = await refusal(other, 'denied')
    context.diagnostic(message)
    const who = `system:serviceaccount:${other}:default`
    assert.match(message, new RegExp(`403 Forbidden\\s+denied: ${who} has no right to pull ${repository}`))
    const text = JSON.stringify(await audit('deny', who))
    context.diagnostic(text.slice(0, 600))
    assert.match(text, new RegExp(who))
  })

  test('an image that another account has brought is not given away (KEP-2535)', async (context) => {
    await create(team, 'owner', { image: secret })
    await running(team, 'owner')
    await create(other, 'present', { image: secret, pullPolicy: 'IfNotPresent' })
    const message = await refusal(other, 'present')
    context.diagnostic(`IfNotPresent: ${message}`)
    assert.match(message, /has no right to pull/)
    await create(other, 'never', { image: secret, pullPolicy: 'Never' })
    context.diagnostic(`Never: ${await refusal(other, 'never')}`)
    await create(team, 'again', { image: secret, pullPolicy: 'IfNotPresent' })
    await running(team, 'again')
  })

  test('what the node had pulled before stays open to its pods', async () => {
    await create(other, 'old', { image: reference, pullPolicy: 'IfNotPresent' })
    await running(other, 'old')
  })

  test('the other spelling of the host works as well', async () => {
    await removeImage()
    await create(team, 'port', { image: `${imageHost}:443/${repository}:1`, pullPolicy: 'Always' })
    await running(team, 'port')
  })

  test('a static pod has no account: it pulls as nobody', async (context) => {
    await removeImage()
    const pod = podOf('static', { image: reference, pullPolicy: 'Always' })
    writeFileSync(join(node.outside(manifests), 'static.json'), JSON.stringify(pod))
    try {
      const message = await refusal('default', `static-${node.name}`)
      context.diagnostic(message)
      assert.match(message, /401 Unauthorized|authorization failed|no basic auth|anonymous|denied/)
    } finally {
      rmSync(join(node.outside(manifests), 'static.json'))
    }
  })

  test('undo restores every file to the byte', async () => {
    await fixture.putDesiredState({ pullIdentity: 'service-account', mode: 'undo' })
    const { problems } = await fixture.reported(node, ({ phase }) => phase === 'undone')
    assert.deepEqual(problems, [])
    assert.equal(readFileSync(node.outside(cloudFile), 'utf8'), cloudConfig)
    assert.equal(existsSync(join(node.outside(cloudFolder), 'trow-credential-provider')), false)
    assert.deepEqual(treeOf(node), tree)
    assert.equal(existsSync(node.outside('/var/lib/kubelet/trow-credential-provider')), false)
    // The kubelet starts with the remaining configuration.
    await restartKubelet(node, flags)
    await create(team, 'gone', { image: 'trow.test/busybox:1', pullPolicy: 'Never' })
    await running(team, 'gone')
  })

  test('a node whose kubelet knows no providers says what to run, and pulls as before', async () => {
    assert.equal(await agent?.stop(), 0)
    await fixture.putDesiredState({ pullIdentity: 'service-account' })
    await fixture.startAgent(plain)
    const report = await fixture.reported(plain, ({ phase }) => phase === 'ready')
    assert.equal(report.identity.kind, 'kubelet')
    const [problem] = report.problems
    assert.equal(problem?.code, 'PULL_IDENTITY_FLAGS')
    assert.match(problem.hint ?? '', /KUBELET_EXTRA_ARGS.*--image-credential-provider-bin-dir=/)
    const program = new URL('../../bin/trow.js', import.meta.url).pathname
    const ca = join(fixture.folder, 'data', 'tls', 'ca.crt')
    const asked = ['--registry', 'https://other.example.com', '--ca', ca, '--dry-run', '-o', 'json']
    const byHand = ['trust-node', ...asked, '--pull-identity', 'service-account']
    const script = `${[process.execPath, program, ...byHand].join(' ')} || echo code $?`
    const printed = await plain.enter('sh', ['-c', script])
    assert.match(printed, /PULL_IDENTITY_FLAGS/)
    assert.match(printed, /code 79/)
  })

  test('with the flags that it says it starts, and keeps our files as long as it needs them', async () => {
    const [problem] = (await fixture.report(plain)).problems
    const said = problem?.hint?.match(/--image-credential-provider-[\w-]+=[\w./-]+/g) ?? []
    assert.equal(said.length, 2)
    await restartKubelet(plain, said)
    await fixture.reported(
      plain,
      ({ identity, problems }) => identity.kind === 'service-account' && problems.length === 0,
    )
    await fixture.putDesiredState({ mode: 'undo' })
    const kept = await fixture.reported(plain, ({ phase }) => phase === 'problem')
    assert.equal(kept.problems[0]?.code, 'PULL_IDENTITY_IN_USE')
    await restartKubelet(plain, said)
    await cluster.kubectl(['wait', '--for=condition=Ready', `node/${plain.name}`, '--timeout=60s'])
    await restartKubelet(plain)
    await fixture.reported(plain, ({ phase }) => phase === 'undone')
    assert.equal(existsSync(plain.outside('/var/lib/kubelet/trow-credential-provider')), false)
  })

  interface Container {
    readonly image: string
    readonly pullPolicy?: string
  }
  function podOf(name: string, { image, pullPolicy = 'IfNotPresent' }: Container): object {
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: {
        nodeName: node.name,
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'main', image, imagePullPolicy: pullPolicy }],
      },
    }
  }

  async function create(of: string, name: string, container: Container): Promise<void> {
    const stdin = JSON.stringify(podOf(name, container))
    await cluster.kubectl(['-n', of, 'create', '-f', '-'], { stdin })
  }

  async function running(of: string, name: string): Promise<void> {
    try {
      await cluster.kubectl(['-n', of, 'wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s'])
    } catch (error) {
      throw new Error(JSON.stringify(await eventsOf(of, name), undefined, 1), { cause: error })
    }
  }

  /** Returns why the kubelet has not started the pod. */
  async function refusal(of: string, name: string): Promise<string> {
    return eventually(async () => {
      const events = await eventsOf(of, name)
      const found = events.find(({ message }) =>
        /Failed to pull|not present|cannot be accessed/.test(message),
      )
      if (found === undefined) throw new Error(JSON.stringify(events, undefined, 1))
      return found.message
    }, 60_000)
  }

  async function eventsOf(of: string, name: string): Promise<readonly PodEvent[]> {
    const selector = `--field-selector=involvedObject.name=${name}`
    const text = await cluster.kubectl(['-n', of, 'get', 'events', selector, '-o', 'json'])
    return (JSON.parse(text) as { items: PodEvent[] }).items.map(({ reason, message }) => ({
      reason,
      message,
    }))
  }

  async function audit(decision: string, user: string): Promise<object[]> {
    return eventually(async () => {
      const data = join(fixture.folder, 'data')
      const args = ['audit', 'query', '--data', data, '-o', 'json', '--decision', decision, '--user', user]
      const { stdout, stderr, code } = await runInCluster(args, fixture.folder)
      assert.equal(code, 0, stderr)
      const events = checkResult('AuditEventList', stdout).items
      assert.ok(events.length > 0, stdout)
      return events
    }, 30_000)
  }

  async function removeImage(): Promise<void> {
    await cluster.kubectl(['-n', team, 'delete', 'pods', '--all', '--force'])
    await cluster.kubectl(['-n', other, 'delete', 'pods', '--all', '--force'])
    for (const name of [reference, secret, `${imageHost}:443/${repository}:1`])
      await node.ctr('images', 'rm', name).catch(() => undefined)
  }

  async function removePods(): Promise<void> {
    const names = [team, other]
    await cluster.kubectl(['delete', 'namespace', ...names, '--ignore-not-found', '--timeout=60s'])
  }

  async function push(to: string, more: object): Promise<void> {
    const archive = join(fixture.folder, 'app.tar')
    const image = busyboxImage()
    await writeImageArchive(archive, { ...image, name: 'app', config: { ...image.config, ...more } })
    const { manifest, mediaType, blobs } = await readArchive(archive)
    const keeper = fixture.keeper()
    const send = async (method: string, path: string, body: Uint8Array, type: string): Promise<void> => {
      const reply = await keeper.send({
        method,
        path,
        headers: { 'Content-Type': type },
        body: Buffer.from(body),
      })
      assert.equal(reply.status, 201, `${path}: ${reply.body}`)
    }
    for (const { digest, content } of blobs)
      await send('POST', `/v2/${to}/blobs/uploads/?digest=${digest}`, content, 'application/octet-stream')
    await send('PUT', `/v2/${to}/manifests/1`, manifest, mediaType)
    await keeper.close()
  }
})
