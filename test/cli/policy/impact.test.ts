import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { encodeAuditRecord } from '../../../src/audit/audit-record.ts'
import { openFixture, type AuditFixture } from '../../audit/fixture.ts'
import { actor, auditRecordOf } from '../../audit/records.ts'
import { digestOf, podOf, startScannedCluster, type ScannedCluster } from '../../scan/scanned-cluster.ts'
import { checkResult } from '../../support/check-result.ts'
import { LoginFolder } from '../../support/login-folder.ts'
import { runCommand } from '../../support/run-trow.ts'

const folder = mkdtempSync(join(tmpdir(), 'trow-impact-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const [bad, good, layer] = ['a', 'b', 'c'].map(digestOf) as [string, string, string]

/** A file with one policy; its mode is one that refuses nothing. */
function policy(name: string, spec: object): string {
  const path = join(folder, `${name}.yaml`)
  const kind = { apiVersion: 'policy.trow.io/v1alpha1', kind: 'TrowPolicy', metadata: { name } }
  writeFileSync(path, JSON.stringify({ ...kind, spec: { mode: 'audit', default: 'pass', ...spec } }))
  return path
}

suite('trow policy impact', () => {
  suite('of recorded pulls', () => {
    let fixture: AuditFixture
    before(async () => {
      fixture = openFixture()
      fixture.clock.now = Date.now()
      const writer = await fixture.open()
      const at = fixture.clock.now - 3_600_000
      const old = fixture.clock.now - 9 * 86_400_000
      const pull = (user: string, reference: string, digest: string, count = 1, last = at): void => {
        const isBlob = reference === layer
        const record = auditRecordOf(`${user}${reference}${last}`, {
          time: last,
          action: 'pull',
          actor: { ...actor, name: user },
          repository: 'shop/api',
          reference,
          facts: { digest },
          request: {
            id: 'r',
            method: 'GET',
            route: `/v2/<name>/${isBlob ? 'blobs/<digest>' : 'manifests/<reference>'}`,
          },
        })
        writer.merged([
          {
            key: record.id,
            auditRecord: encodeAuditRecord(record),
            count,
            first: last - 1000,
            last,
            denied: false,
          },
        ])
      }
      pull('alice', 'latest', bad, 3)
      pull('bob', 'latest', bad, 2, at + 60_000)
      pull('bob', '1.4', good, 7)
      pull('bob', bad, bad)
      pull('bob', layer, layer)
      pull('carol', 'older', bad, 1, old)
      await writer.close()
    })
    after(() => fixture.close())
    const impact = (...args: string[]): ReturnType<typeof runCommand> =>
      runCommand(['policy', 'impact', '--data', fixture.folder, ...args])

    test('says what would be refused, how often, when last and to whom, of how much', async () => {
      const file = policy('tags', {
        rules: [{ scope: '@trow/shop', require: { tags: { deny: ['latest'] } } }],
      })
      const { code, stdout } = await impact('-f', file)
      assert.equal(code, 79)
      const last = `${new Date(fixture.clock.now - 3_540_000).toISOString().slice(0, 19)}Z`
      const since = /pulls since (\S+):/.exec(stdout)?.[1] ?? ''
      assert.equal(
        stdout,
        `IMAGE                  REASON      POLICY  HOW OFTEN  LAST                  WHO
@trow/shop/api:latest  TAG_DENIED  tags    5 pulls    ${last}  alice, bob

pulls since ${since}: would refuse 1 of 2 images
running: no pods were looked at
`,
      )
      assert.ok(Math.abs(Date.parse(since) - Date.now() + 7 * 86_400_000) < 60_000)
    })

    test('looks as far back as it is told, and tells all as JSON', async () => {
      const file = policy('everything', { default: 'deny' })
      const { code, stdout } = await impact('-f', file, '--since', '30d', '-o', 'json')
      const { pulls, pods, rows } = checkResult('PolicyImpact', stdout)
      assert.equal(code, 79)
      assert.deepEqual([pulls, pods], [{ total: 2, refused: 2, unchecked: 0 }, undefined])
      assert.deepEqual(
        rows.map(({ image, count }) => `${image} ${count}`),
        [
          '@trow/shop/api:1.4 7',
          '@trow/shop/api:latest 5',
          `@trow/shop/api@${bad} 1`,
          '@trow/shop/api:older 1',
        ],
      )
    })

    test('a denied digest is found by what the tag was then, and as a blob', async () => {
      for (const [digest, ...images] of [
        [bad, '@trow/shop/api:latest', `@trow/shop/api@${bad}`],
        [layer, `@trow/shop/api@${layer}`],
      ] as const) {
        const file = policy('digests', { deny: [{ digest, reason: 'it is bad' }] })
        const { rows } = checkResult('PolicyImpact', (await impact('-f', file, '-o', 'json')).stdout)
        assert.deepEqual(
          rows.map((row) => `${row.image} ${row.reason}`),
          images.map((image) => `${image} DENY_LIST`),
        )
      }
    })

    test('what depends on content is counted apart, and a policy that refuses nothing is 0', async () => {
      const file = policy('sizes', { rules: [{ scope: '@trow', require: { maxSize: '1GiB' } }] })
      const { code, stdout } = await impact('-f', file)
      assert.equal(code, 0)
      assert.match(
        stdout,
        /^pulls since \S+: would refuse 0 of 2 images; of 2 it would have to see the content$/m,
      )
    })

    test('exceptions of the file count, and a policy that is off is judged as if it were not', async () => {
      const file = policy('off', { mode: 'off', default: 'deny' })
      const exception = join(folder, 'exception.yaml')
      writeFileSync(
        exception,
        JSON.stringify({
          apiVersion: 'policy.trow.io/v1alpha1',
          kind: 'TrowException',
          metadata: { name: 'e' },
          spec: {
            policies: ['off'],
            images: [{ scope: '@trow/shop' }],
            namespaces: ['*'],
            reason: 'known',
            expires: new Date(Date.now() + 86_400_000).toISOString(),
          },
        }),
      )
      assert.equal((await impact('-f', file)).code, 79)
      assert.equal((await impact('-f', file, '-f', exception)).code, 0)
    })

    test('a broken file, a wrong time and a missing log are said so', async () => {
      const broken = join(folder, 'broken.yaml')
      writeFileSync(broken, 'kind: TrowPolicy\n')
      const file = policy('any', {})
      for (const [args, exit, error] of [
        [['-f', broken], 1, 'POLICY_INVALID'],
        [['-f', join(folder, 'none.yaml')], 2, 'POLICY_UNREADABLE'],
        [['-f', file, '--since', 'yesterday'], 2, 'TIME_INVALID'],
        [['-f', file, '--own-host', 'no host'], 2, 'OPTION_INVALID'],
      ] as const) {
        const { code, stderr } = await impact(...args)
        assert.deepEqual([code, stderr.includes(error)], [exit, true], stderr)
      }
      const none = await runCommand(['policy', 'impact', '-f', file, '--folder', join(folder, 'no-log')])
      assert.match(none.stderr, /AUDIT_MISSING/)
    })
  })

  suite('of running pods', () => {
    const home = new LoginFolder()
    let cluster: ScannedCluster
    before(async () => {
      cluster = await startScannedCluster()
      home.kubeconfig(cluster.objects.server, { token: 'me' })
    })
    after(async () => {
      await cluster.close()
      home.remove()
    })
    const impact = (...args: string[]) => home.trow('policy', 'impact', '--context', 'dev', ...args)

    test('names them by owner and namespace, also where trow is not installed yet', async () => {
      const owner = ['ReplicaSet', 'api-5d9f'] as const
      cluster.owners.set('shop/api-5d9f', ['Deployment', 'api'])
      cluster.pods = [
        podOf({ name: 'api-1', owner, images: [['quay.io/x/api:1', `quay.io/x/api@${good}`]] }),
        podOf({ name: 'api-2', owner, images: [['quay.io/x/api:1', `quay.io/x/api@${good}`]] }),
        podOf({ name: 'web', images: [['nginx:1', `nginx@${bad}`]] }),
        podOf({ namespace: 'kube-system', name: 'etcd', isStatic: true, images: [['quay.io/x/etcd:1']] }),
      ]
      const rules = [{ scope: 'docker.io/library', unverified: true }]
      const file = policy('names', { default: 'deny', rules, namespaces: { include: ['*'] } })
      const { code, stdout, stderr } = await impact('-f', file)
      assert.equal(code, 79, stderr)
      assert.match(stderr, /no recorded pulls: trow is not in namespace trow/)
      assert.equal(
        stdout,
        `IMAGE             REASON       POLICY  HOW OFTEN  LAST      WHO
quay.io/x/api:1   NOT_ALLOWED  names   2 pods     runs now  shop Deployment/api
quay.io/x/etcd:1  NOT_ALLOWED  names   1 pod      runs now  kube-system Pod/etcd (static)

running: would refuse 3 of 4 pods
`,
      )
      const denied = policy('digest', { deny: [{ digest: bad, reason: 'it is bad' }] })
      const { rows } = checkResult('PolicyImpact', (await impact('-f', denied, '-o', 'json')).stdout)
      assert.deepEqual(
        rows.map(({ image, owners }) => [image, ...owners]),
        [['docker.io/library/nginx:1', 'shop Pod/web']],
      )
    })

    test('knows the registry by the name that pods use, and by those that it is told', async () => {
      cluster.pods = [
        podOf({ name: 'a', images: [['trow.trow.svc/shop/api:1']] }),
        podOf({ name: 'b', images: [['registry.example.com:5000/shop/api:1']] }),
      ]
      const file = policy('own', { default: 'deny', rules: [{ scope: '@trow', unverified: true }] })
      const images = async (...args: string[]): Promise<string[]> =>
        checkResult('PolicyImpact', (await impact('-f', file, '-o', 'json', ...args)).stdout).rows.map(
          ({ image }) => image,
        )
      assert.deepEqual(await images(), ['registry.example.com:5000/shop/api:1'])
      assert.deepEqual(await images('--own-host', 'registry.example.com:5000'), [])
    })

    test('policies of some namespaces are judged there', async () => {
      cluster.pods = [podOf({ images: [['nginx:1']] }), podOf({ namespace: 'bank', images: [['nginx:1']] })]
      const file = policy('bank', { default: 'deny', namespaces: { include: ['bank'] } })
      const { pods } = checkResult('PolicyImpact', (await impact('-f', file, '-o', 'json')).stdout)
      assert.deepEqual(pods, { total: 2, refused: 1, unchecked: 0 })
    })
  })
})
