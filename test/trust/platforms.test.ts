import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { before, describe, test } from 'node:test'
import { inspectMachine } from '../../src/trust/inspect-machine.ts'
import { makeSteps } from '../../src/trust/machine-edit.ts'
import { MachineFiles } from '../../src/trust/machine-files.ts'
import type { MachineOptions, MachineFacts, NodeTrust } from '../../src/trust/node-trust.ts'
import { planTrust, trustMachine } from '../../src/trust/trust-machine.ts'
import { trustedHosts } from '../../src/trust/trusted-hosts.ts'
import { planUntrust, untrustMachine } from '../../src/trust/untrust-machine.ts'
import { agentTrust, makePair } from './authorities.ts'
import { MachineTree } from './machine-tree.ts'
import { platforms, type Platform } from './platforms.ts'

/** Trees with dockerd need `editHosts`. */
const editOptions = { editHosts: true }
const identity = { certificate: '/etc/trow-client.crt', key: '/etc/trow-client.key' }

let trust: NodeTrust
let pair: Awaited<ReturnType<typeof makePair>>
before(async () => {
  pair = await makePair()
  trust = await agentTrust()
})

interface Machine {
  readonly tree: MachineTree
  readonly files: MachineFiles
  readonly options: MachineOptions
  readonly facts: MachineFacts
  readonly untouched: Readonly<Record<string, string>>
}

async function machineOf({ tree: content, node }: Platform): Promise<Machine> {
  const tree = new MachineTree({
    ...content,
    [identity.certificate]: pair.cert,
    [identity.key]: pair.key,
  })
  const options = { hostRoot: tree.root, ...(node === undefined ? {} : { node }) }
  const facts = await inspectMachine(options)
  return { tree, files: new MachineFiles(tree.root), options, facts, untouched: tree.all() }
}

for (const platform of platforms) {
  describe(platform.name, () => {
    test('is known, gets its files, changes nothing the second time, and is left as it was', async () => {
      const { tree, options, facts, untouched } = await machineOf(platform)
      using _ = tree
      assert.equal(facts.class, platform.class)
      assert.equal(facts.distribution, platform.distribution)
      const changes = await trustMachine(options, facts, trust, editOptions).catch(reloaded)
      const planned = changes ?? platform.paths.map((path) => ({ path }))
      assert.deepEqual(
        planned.map(({ path }) => path),
        platform.paths,
      )
      for (const path of platform.paths) assert.ok(tree.paths().includes(path.slice(1)), path)
      const trusted = tree.all()
      assert.deepEqual(await trustMachine(options, await inspectMachine(options), trust, editOptions), [])
      assert.deepEqual(tree.all(), trusted)
      assert.deepEqual(await trustedHosts(options, facts), [...trust.hosts].sort())
      await untrustMachine(options, await inspectMachine(options), trust.hosts).catch(reloaded)
      assert.deepEqual(tree.all(), untouched)
    })

    test('of two registries one can be taken back without the other', async () => {
      const { tree, options, facts, untouched } = await machineOf(platform)
      using _ = tree
      const other = { ...trust, hosts: ['other.example.com:5000'], endpoints: ['10.1.1.1:5000'] }
      await trustMachine(options, facts, trust, editOptions).catch(reloaded)
      const alone = tree.all()
      await trustMachine(options, facts, other, editOptions).catch(reloaded)
      assert.deepEqual(await trustedHosts(options, facts), [...other.hosts, ...trust.hosts].sort())
      await untrustMachine(options, facts, other.hosts).catch(reloaded)
      assert.deepEqual(tree.all(), alone)
      await trustMachine(options, facts, other, editOptions).catch(reloaded)
      await untrustMachine(options, facts, trust.hosts).catch(reloaded)
      await untrustMachine(options, facts, other.hosts).catch(reloaded)
      assert.deepEqual(tree.all(), untouched)
    })

    test('killed at any step, it goes on the next time, and is left as it was', async () => {
      const { length } = await stepsOf(platform, identity)
      assert.ok(length >= platform.paths.length)
      for (let done = 0; done <= length; done++) {
        const { tree, files, options, facts, untouched } = await machineOf(platform)
        using _ = tree
        const wanted = { ...trust, identity }
        const steps = await planTrust(files, options, facts, wanted, editOptions)
        await makeSteps(files, steps.slice(0, done))
        const next = steps[done]
        if (next !== undefined) leaveUnfinished(tree.root, next.path)
        if (done % 2 === 0) {
          await trustMachine(options, facts, wanted, editOptions).catch(reloaded)
          assert.deepEqual(await planTrust(files, options, facts, wanted, editOptions), [])
        }
        const hosts = await trustedHosts(options, facts)
        await untrustMachine(options, facts, hosts).catch(reloaded)
        if (done === 0) await untrustMachine(options, facts, trust.hosts).catch(reloaded)
        assert.deepEqual(tree.all(), untouched, `killed after ${done} steps`)
      }
    })

    test('killed at any step of taking back, the next time takes the rest', async () => {
      const { tree, files, options, facts, untouched } = await machineOf(platform)
      using _ = tree
      const wanted = { ...trust, identity }
      for (let done = 0; ; done++) {
        await trustMachine(options, facts, wanted, editOptions).catch(reloaded)
        const steps = await planUntrust(files, facts, trust.hosts)
        await makeSteps(files, steps.slice(0, done))
        await untrustMachine(options, facts, trust.hosts).catch(reloaded)
        assert.deepEqual(tree.all(), untouched, `killed after ${done} steps`)
        if (done >= steps.length) break
      }
    })
  })
}

async function stepsOf(platform: Platform, client: NodeTrust['identity']): Promise<readonly unknown[]> {
  const { tree, files, options, facts } = await machineOf(platform)
  using _ = tree
  return await planTrust(files, options, facts, { ...trust, identity: client }, editOptions)
}

/** Leaves the state of a kill in the middle of a step: an unfinished name in the last folder that existed. */
function leaveUnfinished(root: string, path: string): void {
  let folder = dirname(join(root, path))
  for (;;) {
    try {
      mkdirSync(join(folder, '.trow-part'))
      writeFileSync(join(folder, '.trow-part', 'ca.crt'), 'half a f')
      writeFileSync(join(folder, '.trow-part-hosts.toml'), '')
      return
    } catch {
      folder = dirname(folder)
    }
  }
}

/** These trees have no running CRI-O, so that its reload fails. */
function reloaded(error: unknown): undefined {
  assert.equal((error as { code?: string }).code, 'RUNTIME_NOT_RELOADED')
}
