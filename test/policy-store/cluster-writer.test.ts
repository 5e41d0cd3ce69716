import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ClusterFault } from '../../src/cluster/cluster-fault.ts'
import { ApplyConflict, type KubeObject } from '../../src/cluster/cluster-objects.ts'
import { ClusterWriter } from '../../src/policy-store/cluster-writer.ts'
import { changedFields, fieldOwners } from '../../src/policy-store/field-owners.ts'
import { hashOf } from '../../src/policy-store/object-hash.ts'
import { UserError } from '../../src/user-error.ts'
import { FakeObjects } from '../support/fake-objects.ts'
import { policyText } from './fixture.ts'

const named = { kind: 'TrowPolicy', name: 'production' } as const
const deny = [{ scope: 'quay.io/bad', reason: 'it is bad' }]

function document(spec: object = {}): KubeObject {
  return JSON.parse(policyText('production', spec)) as KubeObject
}

/** As managers of fields have it: `f:spec` with these fields. */
function managedBy(manager: string, fields: object, operation = 'Apply'): object {
  return { manager, operation, time: '2026-11-29T08:00:00Z', fieldsV1: { 'f:spec': fields } }
}

function withManagers(object: KubeObject, ...managedFields: readonly object[]): KubeObject {
  return { ...object, metadata: { ...object.metadata, uid: 'u1', managedFields } }
}

function codeIs(code: string, ...words: readonly string[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof UserError, String(error))
    assert.equal(error.code, code)
    for (const word of words) assert.ok(error.message.includes(word), `${word}: ${error.message}`)
    return true
  }
}

suite('an edit of a policy in a cluster', () => {
  test('makes, replaces and removes an object, and says where it is', async () => {
    const objects = new FakeObjects()
    const writer = new ClusterWriter(objects)
    assert.equal(await writer.read(named), undefined)
    const made = await writer.write({ ...named, document: document(), from: null })
    assert.deepEqual(made, { place: 'trowpolicies/production', hash: hashOf(document()['spec']) })
    const read = await writer.read(named)
    assert.deepEqual(read?.document, document())
    assert.equal(read?.hash, made.hash)
    const next = await writer.write({ ...named, document: document({ deny }), from: made.hash })
    assert.equal((await writer.read(named))?.hash, next.hash)
    assert.deepEqual(await writer.write({ ...named, from: next.hash }), {
      place: 'trowpolicies/production',
      hash: undefined,
    })
    assert.equal(await writer.read(named), undefined)
  })

  test('is refused where the object is not what it was made from', async () => {
    const objects = new FakeObjects()
    const writer = new ClusterWriter(objects)
    objects.put(document())
    const rows = [
      { document: document({ deny }), from: null },
      { document: document({ deny }), from: 'sha256:0' },
      { from: 'sha256:0' },
    ]
    for (const row of rows)
      await assert.rejects(writer.write({ ...named, ...row }), codeIs('POLICY_CONFLICT'))
    objects.writes.length = 0
    await writer.write({ ...named, document: document(), from: hashOf(document()['spec']) })
    assert.deepEqual(objects.writes, [])
  })

  test('goes on where only the status was written meanwhile', async () => {
    const objects = new FakeObjects()
    const writer = new ClusterWriter(objects)
    objects.put(document())
    let conflicts = 0
    objects.fault = (verb) => {
      if (verb === 'apply' && conflicts++ < 2)
        throw new ClusterFault('refused', 'the object has been modified', { status: 409 })
    }
    await writer.write({ ...named, document: document({ deny }), from: hashOf(document()['spec']) })
    assert.equal((await writer.read(named))?.hash, hashOf(document({ deny })['spec']))
    objects.fault = (verb) => {
      if (verb === 'apply') throw new ClusterFault('refused', 'modified', { status: 409 })
    }
    await assert.rejects(writer.write({ ...named, document: document() }), codeIs('POLICY_CONFLICT'))
  })

  test('without the right to make it says which role gives it', async () => {
    const objects = new FakeObjects()
    objects.fault = () => {
      throw new ClusterFault('forbidden', 'User "ada" cannot get resource "trowpolicies"', { status: 403 })
    }
    const isRefused = (error: unknown): boolean => {
      assert.ok(error instanceof UserError)
      assert.deepEqual([error.code, error.exitCode], ['CLUSTER_NOT_PERMITTED', 77])
      assert.match(`${error.message} ${error.hint}`, /"ada" cannot get.*trow-policy-admin/)
      return true
    }
    await assert.rejects(new ClusterWriter(objects).read(named), isRefused)
    await assert.rejects(new ClusterWriter(objects).write(named), isRefused)
  })

  test('of what another field manager has is refused, and names it', async () => {
    const objects = new FakeObjects()
    const writer = new ClusterWriter(objects)
    objects.put(withManagers(document(), managedBy('argocd-controller', { 'f:mode': {}, 'f:default': {} })))
    objects.fault = (verb, kind) => {
      if (verb === 'apply')
        throw new ApplyConflict({ ...named, apiVersion: 'policy.trow.io/v1alpha1', kind }, [
          { manager: 'argocd-controller', field: '.spec.mode' },
        ])
    }
    const edit = { ...named, document: document({ mode: 'audit' }) }
    await assert.rejects(
      writer.write(edit),
      codeIs('POLICY_OWNED', 'TrowPolicy production', 'argocd-controller has .spec.mode'),
    )
    await assert.rejects(writer.write(named), codeIs('POLICY_OWNED', 'argocd-controller'))
    assert.deepEqual(objects.all, ['TrowPolicy production'])
  })

  test('that would leave a field of another manager in place is refused, though the API server takes it', async () => {
    const objects = new FakeObjects()
    const writer = new ClusterWriter(objects)
    objects.put(withManagers(document({ deny }), managedBy('kubectl', { 'f:deny': {}, 'f:mode': {} })))
    await assert.rejects(
      writer.write({ ...named, document: document() }),
      (error: unknown) =>
        error instanceof UserError && error.message.endsWith('is not changed: kubectl has .spec.deny'),
    )
    assert.deepEqual(objects.writes, [])
  })
})

suite('the fields that an edit applies', () => {
  const before = withManagers(
    document({ at: { pull: 'warn', push: 'off' }, deny }),
    managedBy('kubectl', { 'f:mode': {}, 'f:default': {}, 'f:at': { '.': {}, 'f:pull': {}, 'f:push': {} } }),
    managedBy('trow', { 'f:deny': {} }),
    { manager: 'trow-registry', operation: 'Apply', subresource: 'status', fieldsV1: { 'f:status': {} } },
  )
  const specOf = (spec: object): unknown => document(spec)['spec']

  test('are those that it changes, and those that are trow’s', () => {
    const at = { pull: 'enforce', push: 'off' }
    assert.deepEqual(changedFields({ before, spec: specOf({ at, deny }), manager: 'trow' }), {
      at: { pull: 'enforce' },
      deny,
    })
    const rules = [{ scope: 'quay.io', unverified: true }]
    const old = { pull: 'warn', push: 'off' }
    assert.deepEqual(changedFields({ before, spec: specOf({ at: old, rules }), manager: 'trow' }), { rules })
  })

  test('have owners', () => {
    assert.deepEqual(
      fieldOwners(before).map(({ owner, field }) => `${owner} ${field}`),
      [
        'kubectl .spec.mode',
        'kubectl .spec.default',
        'kubectl .spec.at.pull',
        'kubectl .spec.at.push',
        'trow .spec.deny',
      ],
    )
    assert.deepEqual(fieldOwners(document()), [])
    assert.deepEqual(fieldOwners(withManagers(document(), { manager: 7 })), [])
  })
})
