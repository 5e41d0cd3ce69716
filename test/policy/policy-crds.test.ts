import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { crdFile, policyCrds } from '../../scripts/policy-crds.ts'
import { policyApiVersion, policyKinds } from '../../src/cluster/policy-object.ts'
import { apiVersion } from '../../src/policy/document-schema.ts'

interface Schema {
  readonly type?: string
  readonly not?: object
  readonly maxItems?: number
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly [field: `x-kubernetes-${string}`]: unknown
}

interface Definition {
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly names: { readonly kind: string; readonly plural: string }
    readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: Schema } }[]
  }
}

const definitions = parseAllDocuments(readFileSync(crdFile, 'utf8')).map(
  (document) => document.toJS() as Definition,
)

test('the CustomResourceDefinitions are what the schemas of policies come to: npm run policy-crds', async () => {
  assert.equal(readFileSync(crdFile, 'utf8'), await policyCrds())
  assert.equal(policyApiVersion, apiVersion)
  assert.deepEqual(
    definitions.map(({ metadata, spec }) => [metadata.name, spec.names.kind]),
    policyKinds.map(({ kind, plural }) => [`${plural}.policy.trow.io`, kind]),
  )
})

test('every list of them is bounded and replaced as a whole, and no field of a spec is dropped unseen', () => {
  for (const { spec } of definitions)
    for (const { schema } of spec.versions) {
      const { properties = {} } = schema.openAPIV3Schema
      for (const [path, each] of schemasIn(properties['spec'], 'spec')) {
        if (each.type === 'array')
          assert.deepEqual(
            [each.maxItems !== undefined, each['x-kubernetes-list-type']],
            [true, 'atomic'],
            path,
          )
        const mayHaveMore = each.type === 'object' || each.not !== undefined
        assert.equal(each['x-kubernetes-preserve-unknown-fields'], mayHaveMore ? true : undefined, path)
      }
      for (const [path, each] of schemasIn(properties['status'], 'status'))
        if (each.type === 'array') assert.ok(each.maxItems !== undefined, path)
    }
})

function schemasIn(schema: Schema | undefined, path: string): (readonly [string, Schema])[] {
  if (schema === undefined) return []
  return [
    [path, schema],
    ...schemasIn(schema.items, `${path}[]`),
    ...Object.entries(schema.properties ?? {}).flatMap(([name, each]) => schemasIn(each, `${path}.${name}`)),
  ]
}
