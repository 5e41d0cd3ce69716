import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  chooseLoadTarget,
  keepingHint,
  loadCalls,
  type LoadFacts,
  type LoadTarget,
} from '../../src/image/load-plan.ts'
import { UserError } from '../../src/user-error.ts'

const local = 'https://127.0.0.1:6443'
const machine = (
  parts: { programs?: string[]; files?: string[]; context?: LoadFacts['context'] } = {},
): LoadFacts => ({
  context: parts.context,
  hasProgram: (name) => parts.programs?.includes(name) ?? false,
  hasFile: (path) => parts.files?.includes(path) ?? false,
})
const containerd = { programs: ['ctr'], files: ['/run/containerd/containerd.sock'] }
const k3s = { programs: ['k3s', 'ctr'], files: ['/run/k3s/containerd/containerd.sock', ...containerd.files] }

suite('where the image is to be loaded', () => {
  for (const [name, facts, expected] of [
    ['kind-dev', {}, { kind: 'kind', cluster: 'dev' }],
    ['k3d-my-cluster', {}, { kind: 'k3d', cluster: 'my-cluster' }],
    ['minikube', {}, { kind: 'minikube', cluster: 'minikube' }],
    ['docker-desktop', containerd, { kind: 'docker-desktop' }],
    ['default', k3s, { kind: 'k3s' }],
    ['kubernetes-admin@kubernetes', containerd, { kind: 'containerd', socket: undefined }],
  ] as const)
    test(`is told by context ${name} and what is here`, () => {
      const context = { name, server: local }
      assert.deepEqual(chooseLoadTarget({}, machine({ ...(facts as object), context })), expected)
    })

  test('is this node, where there is no context', () => {
    assert.deepEqual(chooseLoadTarget({}, machine(containerd)), { kind: 'containerd', socket: undefined })
    assert.deepEqual(chooseLoadTarget({}, machine(k3s)), { kind: 'k3s' })
  })

  test('is never guessed for a cluster elsewhere', () => {
    const context = { name: 'production', server: 'https://10.1.2.3:6443' }
    for (const facts of [machine({ ...k3s, context }), machine()])
      assert.throws(
        () => chooseLoadTarget({}, facts),
        (error: UserError) =>
          error.code === 'IMAGE_TARGET_UNKNOWN' && /trow image push/.test(error.hint ?? ''),
      )
  })

  test('is what a person says', () => {
    const context = { name: 'kind-dev', server: local }
    const facts = machine({ context })
    assert.deepEqual(chooseLoadTarget({ kind: 'kind' }, facts), { kind: 'kind', cluster: 'dev' })
    assert.deepEqual(chooseLoadTarget({ kind: 'kind', cluster: 'b' }, facts), { kind: 'kind', cluster: 'b' })
    assert.deepEqual(chooseLoadTarget({ kind: 'k3d' }, facts), { kind: 'k3d', cluster: 'k3s-default' })
    assert.deepEqual(chooseLoadTarget({ socket: '/s' }, machine()), { kind: 'containerd', socket: '/s' })
  })
})

test('the commands are those of each program', () => {
  const words = (target: LoadTarget): string[] =>
    loadCalls(target, 'f.tar').map(({ program, args }) => [program, ...args].join(' '))
  const kinds: Readonly<Record<LoadTarget['kind'], readonly [LoadTarget, string]>> = {
    kind: [{ kind: 'kind', cluster: 'dev' }, 'kind load image-archive f.tar --name dev'],
    k3d: [{ kind: 'k3d', cluster: 'dev' }, 'k3d image import f.tar --cluster dev'],
    minikube: [{ kind: 'minikube', cluster: 'dev' }, 'minikube image load f.tar --profile dev'],
    'docker-desktop': [{ kind: 'docker-desktop' }, 'docker --context desktop-linux load --input f.tar'],
    k3s: [
      { kind: 'k3s' },
      'k3s ctr --namespace k8s.io images import --label io.cri-containerd.pinned=pinned f.tar',
    ],
    containerd: [
      { kind: 'containerd', socket: '/s' },
      'ctr --address /s --namespace k8s.io images import --label io.cri-containerd.pinned=pinned f.tar',
    ],
  }
  for (const [target, expected] of Object.values(kinds)) assert.deepEqual(words(target), [expected])
})

test('an image that is not pinned and may be collected: what keeps it is said', () => {
  const hint = (target: LoadTarget): string | undefined => keepingHint(target, 'a.test/trow:1')
  assert.match(
    hint({ kind: 'k3d', cluster: 'dev' }) ?? '',
    /docker exec k3d-dev-server-0 ctr -n k8s\.io images label a\.test\/trow:1 io\.cri-containerd\.pinned=pinned$/,
  )
  assert.match(hint({ kind: 'docker-desktop' }) ?? '', /load it again/)
  for (const kind of ['kind', 'minikube'] as const) assert.equal(hint({ kind, cluster: 'dev' }), undefined)
  assert.equal(hint({ kind: 'containerd', socket: undefined }), undefined)
})
