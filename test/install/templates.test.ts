import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { decide } from '../../src/policy/decide.ts'
import { lintPolicies } from '../../src/policy/lint.ts'
import { PolicySet } from '../../src/policy/policy-set.ts'
import { parseTrowPolicy, points } from '../../src/policy/trow-policy.ts'

interface RbacObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels: Record<string, string>
  }
  readonly rules?: readonly { apiGroups: string[]; resources: string[]; verbs: string[] }[]
  readonly roleRef?: { readonly kind: string; readonly name: string }
  readonly subjects?: readonly object[]
}

function objectsOf(name: string): RbacObject[] {
  const text = readFileSync(new URL(`../../templates/${name}`, import.meta.url), 'utf8')
  return parseAllDocuments(text).map((document) => {
    assert.deepEqual(document.errors, [])
    return document.toJS() as RbacObject
  })
}

test('roles for repositories, each in the role that a namespace’s owner gives away', () => {
  const rows = objectsOf('rbac.yaml').map(({ apiVersion, kind, metadata, rules }) => {
    assert.equal(`${apiVersion} ${kind}`, 'rbac.authorization.k8s.io/v1 ClusterRole')
    const [rule] = rules ?? []
    assert.deepEqual(
      [rules?.length, rule?.apiGroups, rule?.resources],
      [1, ['registry.trow.io'], ['repositories']],
    )
    const into = Object.keys(metadata.labels).filter((label) => label.includes('/aggregate-to-'))
    return [metadata.name, into.join(), rule?.verbs.join()]
  })
  const to = 'rbac.authorization.k8s.io/aggregate-to-'
  assert.deepEqual(rows, [
    ['trow-puller', `${to}view`, 'get,list'],
    ['trow-pusher', `${to}edit`, 'get,list,create,update'],
    ['trow-admin', `${to}admin`, 'get,list,create,update,delete'],
  ])
})

test('reading the audit is a right of its own that no other role includes, and nobody has', () => {
  const [auditor, heads, role, binding, ...more] = objectsOf('audit.yaml') as (RbacObject & {
    readonly data?: object
    readonly rules?: readonly { resourceNames?: readonly string[] }[]
  })[]
  assert.deepEqual([auditor?.kind, auditor?.metadata], ['ClusterRole', { name: 'trow-auditor' }])
  assert.deepEqual(auditor?.rules?.[0], {
    apiGroups: ['registry.trow.io'],
    resources: ['audit'],
    verbs: ['list'],
  })
  // The registry writes the ConfigMap's data; the install must not set it.
  assert.deepEqual([heads?.kind, heads?.metadata.name, heads?.data], ['ConfigMap', 'trow-audit', undefined])
  assert.deepEqual(role?.rules, [
    { apiGroups: [''], resources: ['configmaps'], resourceNames: ['trow-audit'], verbs: ['get', 'patch'] },
  ])
  assert.deepEqual(binding?.subjects, [{ kind: 'ServiceAccount', name: 'trow', namespace: 'trow' }])
  assert.deepEqual(more, [])
})

test('changing policies is a right of its own that no other role includes, and nobody has', () => {
  const [role, ...more] = objectsOf('policy-rbac.yaml')
  assert.deepEqual([role?.kind, role?.metadata], ['ClusterRole', { name: 'trow-policy-admin' }])
  assert.deepEqual(role?.rules, [
    {
      apiGroups: ['policy.trow.io'],
      resources: ['trowpolicies', 'trowexceptions'],
      verbs: ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'],
    },
  ])
  assert.deepEqual(more, [])
})

test('the first policy loads, refuses nothing, and records what is not of here, of Docker or of Kubernetes', () => {
  const [value, ...more] = objectsOf('baseline.yaml')
  assert.deepEqual(more, [])
  const loaded = parseTrowPolicy(value, new Set())
  assert.equal(loaded.kind, 'loaded')
  const policies = loaded.kind === 'loaded' ? [loaded.value] : []
  assert.deepEqual(lintPolicies({ policies, exceptions: [], problems: [] }, 0), [])
  const ownHosts = new Set(['trow.trow.svc'])
  const set = new PolicySet(policies, [], { ownHosts, shortNames: 'docker.io', noPolicy: 'allow' })
  const rows: readonly (readonly [string, boolean])[] = [
    ['trow.trow.svc/team-a/app:1', false],
    ['nginx', false],
    ['registry.k8s.io/pause:3.10', false],
    ['docker.io/bitnami/redis:1', true],
    ['ghcr.io/acme/app:1', true],
  ]
  for (const point of points)
    for (const [name, isRecorded] of rows) {
      const answer = decide(
        { point, namespace: undefined, images: [{ place: '', name, fact: undefined }] },
        set,
        0,
      )
      assert.equal(answer.kind, 'allow', `${point} ${name}`)
      const [verdict] = answer.kind === 'allow' ? answer.verdicts : []
      assert.equal((verdict?.wouldDeny.length ?? 0) > 0, isRecorded, `${point} ${name}`)
      assert.deepEqual([verdict?.refusals, verdict?.warnings], [[], []])
    }
})

test('the registry may review, read the client CA, see nodes and the agents account, follow policies, and nothing else', () => {
  const objects = objectsOf('registry-rbac.yaml')
  const role = objects.find(({ kind }) => kind === 'ClusterRole')
  assert.deepEqual(role?.rules, [
    { apiGroups: [''], resources: ['nodes'], verbs: ['get'] },
    { apiGroups: [''], resources: ['serviceaccounts'], resourceNames: ['trow-node'], verbs: ['get'] },
    {
      apiGroups: ['policy.trow.io'],
      resources: ['trowpolicies', 'trowexceptions'],
      verbs: ['get', 'list', 'watch'],
    },
    {
      apiGroups: ['policy.trow.io'],
      resources: ['trowpolicies/status', 'trowexceptions/status'],
      verbs: ['patch'],
    },
  ])
  const bindings = objects.filter((object) => object !== role)
  const rows = bindings.map(({ kind, metadata, roleRef, subjects }) => {
    assert.deepEqual(subjects, [{ kind: 'ServiceAccount', name: 'trow', namespace: 'trow' }])
    return [kind, metadata.namespace, `${roleRef?.kind} ${roleRef?.name}`]
  })
  assert.deepEqual(rows, [
    ['ClusterRoleBinding', undefined, 'ClusterRole system:auth-delegator'],
    ['RoleBinding', 'kube-system', 'Role extension-apiserver-authentication-reader'],
    ['ClusterRoleBinding', undefined, 'ClusterRole trow-registry'],
  ])
})
