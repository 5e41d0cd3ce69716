import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { imageProblem } from '../support/trow-image.ts'
import { treeOf } from './agent-fixture.ts'
import { busyboxImage } from './image.ts'
import { InstallFixture } from './install-fixture.ts'
import { restartKubelet } from './node-servers.ts'
import { eventually } from '../support/program.ts'
import { clusterProblem } from './requirements.ts'

const binaries = '/var/lib/kubelet/providers'
const file = '/var/lib/kubelet/providers.yaml'
const config = `{"apiVersion":"kubelet.config.k8s.io/v1","kind":"CredentialProviderConfig","providers":[
 {"name":"cloud","matchImages":["*.cloud.example"],"defaultCacheDuration":"1h","apiVersion":"credentialprovider.kubelet.k8s.io/v1"}]}
`
const flags = [
  `--image-credential-provider-config=${file}`,
  `--image-credential-provider-bin-dir=${binaries}`,
]

/** All steps of a user, with agents in pods. The tests print the figures as diagnostics. */
suite(
  'an install that pulls as service accounts',
  { skip: clusterProblem() || (await imageProblem()) },
  () => {
    let trow: InstallFixture
    let trees: Readonly<Record<string, string>>[]

    before(async () => {
      trow = await InstallFixture.open('pull-identity')
      for (const node of trow.cluster.nodes) {
        mkdirSync(node.outside(binaries))
        const cloud = join(node.outside(binaries), 'cloud')
        writeFileSync(cloud, '#!/bin/sh\nexit 1\n')
        chmodSync(cloud, 0o755)
        writeFileSync(node.outside(file), config)
        await restartKubelet(node, flags)
      }
      await ready()
      trees = trow.cluster.nodes.map(treeOf)
    })
    after(async () => {
      await trow.trow('uninstall', '--purge', '-y')
      await trow.cluster.kubectl([
        'delete',
        'namespace',
        'cred-a',
        'cred-b',
        '--ignore-not-found',
        '--timeout=60s',
      ])
      for (const node of trow.cluster.nodes) {
        await restartKubelet(node)
        for (const path of [binaries, file]) rmSync(node.outside(path), { recursive: true, force: true })
      }
      await ready()
      await trow.close()
    })

    const ready = async (): Promise<void> => {
      for (const { name } of trow.cluster.nodes)
        await trow.cluster.kubectl(['wait', '--for=condition=Ready', `node/${name}`, '--timeout=60s'])
    }
    const identities = async (): Promise<string[]> => {
      const { stdout } = await trow.trow('status', '-o', 'json')
      return (JSON.parse(stdout) as { nodes: { identity: string }[] }).nodes.map(({ identity }) => identity)
    }

    test('is put there, and says on which nodes a kubelet is to be restarted', async (context) => {
      const { code, stderr } = await trow.install('--pull-identity', 'service-account')
      assert.equal(code, 0, stderr)
      assert.match(stderr, /pulls +service accounts from their namespace; a node where/)
      for (const { name } of trow.cluster.nodes) {
        const line = new RegExp(
          `node [^:]*\\b${name}\\b[^:]*: the kubelet was started before .*systemctl restart `,
        )
        assert.match(stderr, line)
      }
      // The pod of an agent becomes ready one period of its probe after the agent has proved its pull.
      await eventually(async () => {
        const status = await trow.trow('status')
        assert.equal(status.code, 0, status.stdout)
        assert.match(status.stdout, /‼ node n1 pulls as the service accounts of its pods/)
        context.diagnostic(status.stdout)
      })
      assert.deepEqual([...new Set(await identities())], ['kubelet'])
    })

    test('after that pods pull as their accounts, and only from where these may', async (context) => {
      for (const node of trow.cluster.nodes) await restartKubelet(node, flags)
      const begin = performance.now()
      await eventually(async () => {
        assert.deepEqual([...new Set(await identities())], ['service-account'])
        assert.equal((await trow.trow('status')).code, 0)
      }, 120_000)
      context.diagnostic(`effective ${((performance.now() - begin) / 1000).toFixed(1)} s after the restarts`)
      await trow.push({ ...busyboxImage(), name: 'app' }, 'cred-a/app:1')
      for (const namespace of ['cred-a', 'cred-b']) {
        await trow.cluster.emptyNamespace(namespace)
        const options = { namespace, imagePullPolicy: 'IfNotPresent' }
        for (const { name } of trow.cluster.nodes)
          await trow.createPod(`app-${name}`, name, 'trow.trow.svc/cred-a/app:1', options)
        if (namespace === 'cred-b') continue
        for (const { name } of trow.cluster.nodes) await trow.podRuns(`app-${name}`, namespace)
      }
      for (const { name } of trow.cluster.nodes) {
        const selector = `--field-selector=involvedObject.name=app-${name}`
        await eventually(async () =>
          assert.match(
            await trow.cluster.kubectl(['-n', 'cred-b', 'get', 'events', selector, '-o', 'json']),
            /system:serviceaccount:cred-b:default has no right to pull cred-a\/app/,
          ),
        )
      }
    })

    test('remembered by the next install; taken back, nodes pull as before', async () => {
      const again = await trow.trow('install', '-y')
      assert.equal(again.code, 0, again.stderr)
      assert.match(again.stderr, /nothing to change/)
      const back = await trow.trow('install', '-y', '--pull-identity', 'node')
      assert.equal(back.code, 0, back.stderr)
      await eventually(async () => assert.deepEqual([...new Set(await identities())], ['kubelet']))
      for (const node of trow.cluster.nodes)
        await eventually(async () => assert.equal(readFileSync(node.outside(file), 'utf8'), config))
    })

    test('out again: every node is as it was', async () => {
      const on = await trow.trow('install', '-y', '--pull-identity', 'service-account')
      assert.equal(on.code, 0, on.stderr)
      const { code, stderr } = await trow.trow('uninstall', '--purge', '-y')
      assert.equal(code, 0, stderr)
      assert.deepEqual(trow.cluster.nodes.map(treeOf), trees)
      for (const node of trow.cluster.nodes) assert.equal(readFileSync(node.outside(file), 'utf8'), config)
    })
  },
)
