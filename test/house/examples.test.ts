import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { test } from 'node:test'
import { Application } from '@kubernetes-models/argo-cd/argoproj.io/v1alpha1/Application'
import { HelmRelease } from '@kubernetes-models/flux-cd/helm.toolkit.fluxcd.io/v2/HelmRelease'
import { OCIRepository } from '@kubernetes-models/flux-cd/source.toolkit.fluxcd.io/v1/OCIRepository'
import { parseAllDocuments } from 'yaml'

// GitHub's parser is made for bundlers: it imports JSON without saying so.
registerHooks({
  load: (url, context, next) =>
    next(url, url.endsWith('.json') ? { ...context, importAttributes: { type: 'json' } } : context),
})
const { NoOperationTraceWriter, parseWorkflow } = await import('@actions/workflow-parser')

interface Validated {
  validate(): void
}

const models: Readonly<Record<string, new (data: never) => Validated>> = {
  Application,
  HelmRelease,
  OCIRepository,
}
const read = (name: string): string => readFileSync(new URL(`../../docs/ci/${name}`, import.meta.url), 'utf8')

function objectsIn(text: string): { readonly kind?: string }[] {
  return parseAllDocuments(text).map((document) => {
    assert.deepEqual(document.errors, [])
    return document.toJS() as { readonly kind?: string }
  })
}

function workflowErrors(content: string): string[] {
  const parsed = parseWorkflow({ name: 'github.yml', content }, new NoOperationTraceWriter())
  return parsed.context.errors.getErrors().map(({ message }) => message)
}

test('the example for GitHub is a workflow', () => {
  const text = read('github.yml')
  assert.deepEqual(workflowErrors(text), [])
  assert.notDeepEqual(workflowErrors(text.replace('runs-on:', 'run-on:')), [])
})

for (const [name, kinds] of [
  ['flux.yaml', ['OCIRepository', 'HelmRelease']],
  ['argo-cd.yaml', ['Application']],
] as const) {
  test(`${name} fits the definitions of its objects`, () => {
    const known = objectsIn(read(name)).filter(({ kind = '' }) => kind in models)
    assert.deepEqual(
      known.map(({ kind }) => kind),
      kinds,
    )
    for (const object of known) {
      const Model = models[object.kind ?? '']
      assert.ok(Model)
      new Model(object as never).validate()
      assert.throws(() => new Model({ ...object, spec: {} } as never).validate())
    }
  })
}

test('the examples without a schema are YAML', () => {
  assert.equal(objectsIn(read('tekton.yaml'))[0]?.kind, 'Task')
  assert.equal(objectsIn(read('gitlab-ci.yml')).length, 1)
})
