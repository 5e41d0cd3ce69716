import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { installResult } from '../../../src/cli/install/install-result.ts'
import { recordSteps } from '../../../src/cli/install/recorded-steps.ts'
import { printResult, type Result } from '../../../src/cli/result/print-result.ts'
import type { Terminal } from '../../../src/cli/streams.ts'
import { resultSchemas } from '../../../src/cli/result/result-kinds.ts'
import { prepare, type Run } from '../../install/fake-install.ts'
import { checkResult } from '../../support/check-result.ts'

const silent = { start: () => {}, state: () => {}, end: () => {}, warn: () => {} }

async function printed(result: Result<'Install'>): Promise<ReturnType<typeof resultSchemas.Install.parse>> {
  const stdout = new PassThrough({ encoding: 'utf8' })
  await printResult('Install', result, 'json', { exact: { stdout } } as unknown as Terminal)
  return checkResult('Install', String(stdout.read()))
}

async function installed(run: Run): ReturnType<typeof printed> {
  const { progress, recorded } = recordSteps(silent)
  const { remembered, ...done } = await run.go({}, { progress, pushCanary: () => run.sleep(2500) })
  const about = { ...done, prune: false, context: 'dev', previousVersion: remembered?.version, ...recorded }
  return printed(installResult(done.installed, about))
}

test('a first install has its steps with durations, the addresses, what it made, and the nodes', async () => {
  const { steps, changes, nodes, ...result } = await installed(prepare(['n1', 'n2']))
  const titles = steps.map(({ description }) => description)
  assert.equal(titles[0], 'namespaces')
  assert.ok(titles.includes('registry') && titles.includes('pull of it on every node'), titles.join())
  const push = steps.find(({ description }) => description === 'push of a tiny image')
  assert.equal(push?.durationSeconds, 2.5)
  assert.deepEqual(
    nodes.map(({ node }) => node),
    ['n1', 'n2'],
  )
  assert.ok(changes.every(({ action }) => action === 'create'))
  assert.ok(
    changes.some(({ kind, namespace, name }) => `${kind} ${namespace}/${name}` === 'StatefulSet trow/trow'),
  )
  assert.deepEqual(result.imageHosts, ['trow.trow.svc'])
  assert.equal(result.clusterIps.length, 1)
  assert.deepEqual([result.version, result.previousVersion, result.context], ['0.1.0', undefined, 'dev'])
})

test('an install that finds all as it is to be changes nothing, and knows what was there', async () => {
  const run = prepare(['n1'])
  await run.go()
  const { changes, previousVersion } = await installed(run)
  assert.deepEqual([changes, previousVersion], [[], '0.1.0'])
})

test('a warning is in the result, and on the screen', async () => {
  const shown: string[] = []
  const { progress, recorded } = recordSteps({ ...silent, warn: (text) => void shown.push(text) })
  await prepare(['n1']).go({ trustNodes: false }, { progress })
  assert.match(recorded.warnings.join(), /--no-trust-nodes: whether the nodes can pull was not tried/)
  assert.deepEqual(shown, recorded.warnings)
})
