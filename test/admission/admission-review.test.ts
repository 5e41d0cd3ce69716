import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { readReview, UnreadableReview, type Review } from '../../src/admission/admission-review.ts'
import { containers, pod, reviewText, uid, type ReviewOf } from './reviews.ts'

/** `list/name image`, or the kind of a review that has no images. */
function seen(of: ReviewOf): readonly string[] | Review['kind'] {
  const review = readReview(reviewText(of))
  if (review.kind !== 'pod' && review.kind !== 'template') return review.kind
  return review.images.map(({ list, name, image }) => `${list}/${name} ${image ?? '(none)'}`)
}

suite('images of a pod', () => {
  test('are found in every list that a pod can name one in', () => {
    const spec = {
      initContainers: [{ name: 'i', image: 'init', restartPolicy: 'Always' }],
      containers: containers('one', 'two'),
      ephemeralContainers: [{ name: 'd', image: 'debug' }],
      volumes: [
        { name: 'm', image: { reference: 'model:1', pullPolicy: 'Always' } },
        { name: 'e', emptyDir: {} },
      ],
    }
    assert.deepEqual(seen({ object: pod(spec) }), [
      'initContainers/i init',
      'containers/c0 one',
      'containers/c1 two',
      'ephemeralContainers/d debug',
      'volumes/m model:1',
    ])
  })

  test('without a name are there too, for the judge to refuse', () => {
    assert.deepEqual(
      seen({ object: pod({ containers: [{ name: 'a' }], volumes: [{ name: 'v', image: {} }] }) }),
      ['containers/a (none)', 'volumes/v (none)'],
    )
  })

  test('of an update are those that are new or changed at their place', () => {
    const old = pod({ containers: containers('a', 'b'), initContainers: [{ name: 'i', image: 'x' }] })
    const update = (spec: Readonly<Record<string, unknown>>, subResource?: string): unknown =>
      seen({
        operation: 'UPDATE',
        object: pod(spec),
        oldObject: old,
        ...(subResource !== undefined && { subResource }),
      })
    const same = old['spec'] as Readonly<Record<string, unknown>>
    assert.deepEqual(update(same), [], 'labels, finalizers, resize')
    // What one container may run is not what another may.
    assert.deepEqual(update({ ...same, containers: containers('b', 'a') }), [
      'containers/c0 b',
      'containers/c1 a',
    ])
    assert.deepEqual(update({ ...same, initContainers: [{ name: 'i', image: 'a' }] }), ['initContainers/i a'])
    assert.deepEqual(
      update({ ...same, ephemeralContainers: [{ name: 'debug', image: 'a' }] }, 'ephemeralcontainers'),
      ['ephemeralContainers/debug a'],
      'kubectl debug adds what it brings and nothing else',
    )
    assert.deepEqual(update({ ...same, volumes: [{ name: 'c0', image: { reference: 'a' } }] }), [
      'volumes/c0 a',
    ])
  })

  test('of a mirror pod are marked where a node says so, and are usual where anybody else does', () => {
    const object = pod(
      { containers: containers('a') },
      { annotations: { 'kubernetes.io/config.mirror': 'x' } },
    )
    const mirror = (username: string, groups: readonly string[]): unknown => {
      const review = readReview(reviewText({ object, user: { username, groups } }))
      return review.kind === 'pod' && review.isMirror
    }
    assert.equal(mirror('system:node:n1', ['system:nodes']), true)
    assert.equal(mirror('system:node:n1', ['system:authenticated']), false)
    assert.equal(mirror('ann', ['system:nodes']), false)
  })

  test('belong to the service account that the pod names, or to default', () => {
    const account = (spec: Readonly<Record<string, unknown>>): unknown => {
      const review = readReview(reviewText({ object: pod({ containers: [], ...spec }) }))
      return review.kind === 'pod' && review.serviceAccount
    }
    assert.equal(account({}), 'default')
    assert.equal(account({ serviceAccountName: 'robot' }), 'robot')
  })
})

suite('images of templates', () => {
  const spec = { containers: containers('a') }
  const templates: readonly (readonly [string, string, unknown])[] = [
    ['apps', 'Deployment', { spec: { template: { spec } } }],
    ['apps', 'StatefulSet', { spec: { template: { spec } } }],
    ['apps', 'DaemonSet', { spec: { template: { spec } } }],
    ['apps', 'ReplicaSet', { spec: { template: { spec } } }],
    ['batch', 'Job', { spec: { template: { spec } } }],
    ['batch', 'CronJob', { spec: { jobTemplate: { spec: { template: { spec } } } } }],
    ['', 'ReplicationController', { spec: { template: { spec } } }],
    ['', 'PodTemplate', { template: { spec } }],
  ]
  for (const [group, kind, object] of templates)
    test(`of a ${kind}`, () => assert.deepEqual(seen({ group, kind, object }), ['containers/c0 a']))

  test('that something else fills in are left out', () => {
    const images = ['', ' ', 'auto', '${IMAGE}', 'app:$(TAG)', '{{ image }}', '<image>', 'real']
    const object = { spec: { template: { spec: { containers: containers(...images) } } } }
    assert.deepEqual(seen({ group: 'apps', kind: 'Deployment', object }), ['containers/c7 real'])
  })

  test('of what a controller owns were looked at before', () => {
    const metadata = { ownerReferences: [{ kind: 'Deployment', controller: true }] }
    const object = { metadata, spec: { template: { spec } } }
    assert.equal(seen({ group: 'apps', kind: 'ReplicaSet', object }), 'other')
  })

  test('of an update are those that changed', () => {
    const old = { spec: { template: { spec } } }
    const asked = { group: 'apps', kind: 'Deployment', operation: 'UPDATE', oldObject: old }
    assert.deepEqual(seen({ ...asked, object: old }), [])
    const object = { spec: { template: { spec: { containers: containers('b') } } } }
    assert.deepEqual(seen({ ...asked, object }), ['containers/c0 b'])
  })
})

suite('other reviews', () => {
  test('a deletion, a connection and a kind that nobody judges are let through', () => {
    assert.equal(seen({ operation: 'DELETE', object: null, oldObject: pod({ containers: [] }) }), 'other')
    assert.equal(seen({ operation: 'CONNECT', kind: 'PodExecOptions', object: {} }), 'other')
    assert.equal(seen({ kind: 'ConfigMap', object: { data: {} } }), 'other')
  })

  test('a policy is handed on whole, and without anything where it is deleted', () => {
    const document = { kind: 'TrowPolicy', metadata: { name: 'p' }, spec: { mode: 'audit' } }
    const of = { group: 'policy.trow.io', kind: 'TrowPolicy', object: document }
    const made = readReview(reviewText(of))
    assert.ok(made.kind === 'policy')
    assert.deepEqual([made.object, made.document], ['TrowPolicy/p', document])
    const gone = readReview(reviewText({ ...of, operation: 'DELETE' }))
    assert.ok(gone.kind === 'policy')
    assert.equal(gone.document, undefined)
  })

  const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`
  const broken: readonly (readonly [what: string, text: string, words: string])[] = [
    ['no JSON', '{', 'is no JSON'],
    ['no review', '{"kind":"Pod"}', 'cannot be read: apiVersion is missing'],
    [
      'another version',
      reviewText({ object: {} }).replace('admission.k8s.io/v1', 'admission.k8s.io/v1beta1'),
      'cannot be read: apiVersion is not "admission.k8s.io/v1"',
    ],
    ['no object', reviewText({ object: null }), 'cannot be read: it is null'],
    ['no spec', reviewText({ object: { metadata: {} } }), 'cannot be read: spec is missing'],
    [
      'containers that are no list',
      reviewText({ object: pod({ containers: { a: 1 } }) }),
      'cannot be read: spec.containers is not a list',
    ],
    [
      'an image that is no text',
      reviewText({ object: pod({ containers: [{ name: 'a', image: 7 }] }) }),
      'cannot be read: spec.containers[0].image is not text',
    ],
    [
      'an object of many levels',
      reviewText({ object: pod({ containers: [] }) }).replace('[]', deep),
      'cannot be read: spec.containers[0] is not an object',
    ],
  ]
  for (const [what, text, words] of broken)
    test(`${what} cannot be read, and is answered under its id where it has one`, () => {
      assert.throws(
        () => readReview(text),
        (error) => {
          assert.ok(error instanceof UnreadableReview)
          assert.equal(error.message, `the review ${words}`)
          assert.equal(error.uid, text.includes(uid) ? uid : undefined)
          return true
        },
      )
    })
})
