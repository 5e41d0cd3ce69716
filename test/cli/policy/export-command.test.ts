import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { floorBindingObject, floorPolicyObject } from '../../../src/policy/floor/floor-objects.ts'
import { runCommand } from '../../support/run-trow.ts'
import { policy } from '../../policy/fixtures.ts'

const folder = mkdtempSync(join(tmpdir(), 'trow-export-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function files(...documents: readonly object[]): string {
  const path = join(folder, 'policies.yaml')
  writeFileSync(path, documents.map((document) => JSON.stringify(document)).join('\n---\n'))
  return path
}

const exported = (...args: readonly string[]) => runCommand(['policy', 'export', 'vap', ...args])

suite('trow policy export vap', () => {
  test('prints parameters, policy and binding, as kubectl reads them', async () => {
    const rules = [{ scope: '@trow', require: { tags: { deny: ['off', '1.0', '__proto__'] } } }]
    const { code, stdout, stderr } = await exported(
      files(policy({ rules })),
      '--own-host',
      'Trow.example:443',
      '--exclude',
      'infra',
    )
    assert.deepEqual([code, stderr], [0, ''])
    const [parameters, vap, binding, ...more] = parseAllDocuments(stdout, { version: '1.1' }).map(
      (document) => document.toJS() as { spec: Record<string, unknown> },
    )
    assert.deepEqual(more, [])
    assert.deepEqual(vap, floorPolicyObject(['infra']))
    assert.deepEqual(binding, floorBindingObject())
    assert.deepEqual(parameters?.spec['ownHosts'], { 'trow.example': 'trow.example' })
    const requirements = parameters?.spec['requirements'] as { 0: { tags: object } }
    assert.deepEqual(Object.entries(requirements[0].tags), [
      ['1.0', ''],
      ['__proto__', ''],
      ['off', ''],
    ])
  })

  test('prints the same objects as a List of JSON', async () => {
    const given = files(policy({}))
    const asYaml = parseAllDocuments((await exported(given)).stdout).map((each) => each.toJS() as unknown)
    const { kind, items } = JSON.parse((await exported(given, '-o', 'json')).stdout) as {
      kind: string
      items: unknown[]
    }
    assert.deepEqual([kind, items], ['List', asYaml])
  })

  test('leaves out the pods of trow and of kube-system, unless told otherwise', async () => {
    const { stdout } = await exported(files(policy({})))
    assert.match(stdout, /values:\n\s+- trow\n\s+- trow-node\n\s+- kube-system\n/)
  })

  test('prints nothing of policies that do not fit or do not load, and says why', async () => {
    const many = Array.from({ length: 51 }, (_, place) => policy({}, `p${place}`))
    const unfit = await exported(files(...many))
    assert.deepEqual([unfit.code, unfit.stdout], [1, ''])
    assert.match(
      unfit.stderr,
      /^trow: 51 policies judge at admission, and the floor takes 50 \(POLICY_FLOOR\)\n/,
    )
    const broken = await exported(files(policy({ default: undefined })))
    assert.deepEqual([broken.code, broken.stdout], [1, ''])
    assert.match(broken.stderr, /spec\.default: is required/)
  })
})
