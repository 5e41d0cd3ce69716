import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'

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
  // What is kept there is not the install's.
  assert.deepEqual([heads?.kind, heads?.metadata.name, heads?.data], ['ConfigMap', 'trow-audit', undefined])
  assert.deepEqual(role?.rules, [
    { apiGroups: [''], resources: ['configmaps'], resourceNames: ['trow-audit'], verbs: ['get', 'patch'] },
  ])
  assert.deepEqual(binding?.subjects, [{ kind: 'ServiceAccount', name: 'trow', namespace: 'trow' }])
  assert.deepEqual(more, [])
})

test('the registry may review, read the client CA, and see nodes and the agents account, and nothing else', () => {
  const objects = objectsOf('registry-rbac.yaml')
  const role = objects.find(({ kind }) => kind === 'ClusterRole')
  assert.deepEqual(role?.rules, [
    { apiGroups: [''], resources: ['nodes'], verbs: ['get'] },
    { apiGroups: [''], resources: ['serviceaccounts'], resourceNames: ['trow-node'], verbs: ['get'] },
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
