import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { openCri } from '../../src/agent/cri.ts'
import { imageProblem, trowImage } from '../support/trow-image.ts'
import { Cluster } from './cluster.ts'
import { eventually } from '../support/program.ts'
import { clusterProblem } from './requirements.ts'
import { importTrowImage } from './trow-image.ts'

const namespace = 'trow-image-test'

suite("trow's own image", { skip: clusterProblem() || (await imageProblem()) }, () => {
  let cluster: Cluster
  let image = ''
  before(async () => {
    cluster = await Cluster.open()
    image = await importTrowImage(cluster.nodes)
    await cluster.emptyNamespace(namespace, { 'pod-security.kubernetes.io/enforce': 'restricted' })
  })
  after(async () => {
    await cluster.kubectl(['delete', 'namespace', namespace, '--wait=false'])
    await cluster.close()
  })

  const create = (object: object): Promise<string> =>
    cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(object) })
  const pod = (name: string, args: readonly string[]): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 5,
      securityContext: { runAsNonRoot: true, fsGroup: 65532, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'main',
          image,
          imagePullPolicy: 'Never',
          args,
          securityContext: {
            readOnlyRootFilesystem: true,
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
          },
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
        },
      ],
      volumes: [{ name: 'data', emptyDir: {} }],
    },
  })
  const show = (name: string, path: string): Promise<string> =>
    cluster.kubectl(['-n', namespace, 'get', 'pod', name, '-o', `jsonpath={${path}}`])

  test('is pinned by the commands that the documents print, and kubelets do not collect it', async () => {
    const [node] = cluster.nodes
    assert.ok(node)
    const cri = await openCri(node.outside('/run/containerd/containerd.sock'))
    const label = 'io.cri-containerd.pinned=pinned'
    const pinned = async (): Promise<boolean | undefined> => (await cri.imageStatus(image))?.pinned
    try {
      await node.ctr('images', 'rm', '--sync', image)
      await eventually(async () => assert.equal(await pinned(), undefined))
      const { archive } = await trowImage()
      await node.ctr('images', 'import', archive)
      await eventually(async () => assert.equal(await pinned(), false))
      await node.ctr('images', 'label', image, label)
      await eventually(async () => assert.equal(await pinned(), true))
      await node.ctr('images', 'rm', '--sync', image)
      await eventually(async () => assert.equal(await pinned(), undefined))
      await node.ctr('images', 'import', '--label', label, archive)
      await eventually(async () => assert.equal(await pinned(), true))
    } finally {
      cri.close()
    }
  })

  test('runs restricted, on a root that is read-only: its threads, a push and a pull', async () => {
    const settings = ['--listen=0.0.0.0:8000', '--plain-http', '--data=/data/registry', '--workers=2']
    await create(pod('registry', ['serve', ...settings]))
    await cluster.kubectl([
      '-n',
      namespace,
      'wait',
      '--for=condition=Ready',
      'pod/registry',
      '--timeout=120s',
    ])
    const relay = await cluster.relay(await show('registry', '.status.podIP'), 8000)
    try {
      const registry = `http://127.0.0.1:${relay.port}`
      await eventually(async () => assert.equal((await fetch(`${registry}/v2/`)).status, 200), 60_000)
      const content = randomBytes(3_000_000)
      const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`
      const begun = await fetch(`${registry}/v2/a/b/blobs/uploads/`, { method: 'POST' })
      assert.equal(begun.status, 202)
      const upload = new URL(begun.headers.get('location') ?? '', registry)
      upload.searchParams.set('digest', digest)
      assert.equal((await fetch(upload, { method: 'PUT', body: content })).status, 201)
      const pulled = Buffer.from(await (await fetch(`${registry}/v2/a/b/blobs/${digest}`)).arrayBuffer())
      assert.ok(pulled.equals(content))
      // Each worker numbers its own requests: `18e167fa-4`.
      for (let each = 0; each < 40; each++)
        await fetch(`${registry}/v2/`, { headers: { connection: 'close' } })
      await eventually(async () => {
        const log = await cluster.kubectl(['-n', namespace, 'logs', 'registry'])
        assert.doesNotMatch(log, /EROFS|EACCES/)
        const workers = new Set([...log.matchAll(/"id":"([0-9a-f]+)-\d+"/g)].map(([, worker]) => worker))
        assert.equal(workers.size, 2)
      }, 60_000)
    } finally {
      await relay.close()
    }
  })

  test('has nobody but trow in it: no shell, and user 65532', async () => {
    await create(pod('version', ['version', '-o', 'json']))
    await eventually(async () => assert.equal(await show('version', '.status.phase'), 'Succeeded'), 120_000)
    const facts = JSON.parse(await cluster.kubectl(['-n', namespace, 'logs', 'version'])) as { node: string }
    assert.equal(facts.node, process.versions.node)
    await assert.rejects(
      cluster.kubectl(['-n', namespace, 'exec', 'registry', '--', '/bin/sh', '-c', 'true']),
      /no such file/,
    )
    const script =
      'console.log(process.getuid(), process.getgid(), require("tls").getCACertificates("system").length)'
    const who = await cluster.kubectl([
      '-n',
      namespace,
      'exec',
      'registry',
      '--',
      '/usr/bin/node',
      '-e',
      script,
    ])
    const [user, group, authorities] = who.trim().split(' ').map(Number)
    assert.deepEqual([user, group], [65532, 65532])
    assert.ok(authorities! > 100, `${authorities} certificate authorities`)
  })
})
