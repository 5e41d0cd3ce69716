import assert from 'node:assert/strict'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { policy } from '../enforcement/test-feed.ts'
import { runTrow, startedServer, type ServerProcess } from '../support/server-process.ts'
import { configOf, digestOf, pushImage, repository } from './client.ts'
import { SharedRegistry, skipReplicas } from './shared-registry.ts'

async function pullStatus({ url }: ServerProcess, tag: string): Promise<number> {
  const response = await fetch(`${url}/v2/${repository}/manifests/${tag}`)
  await response.arrayBuffer()
  return response.status
}

/** A push of a small blob into `name`. */
async function pushStatus({ url }: ServerProcess, name: string, text: string): Promise<number> {
  const body = configOf(text)
  const response = await fetch(`${url}/v2/${name}/blobs/uploads/?digest=${digestOf(body)}`, {
    method: 'POST',
    body,
  })
  await response.arrayBuffer()
  return response.status
}

async function eventually(holds: () => Promise<boolean>, what: string): Promise<void> {
  for (const end = performance.now() + 20_000; !(await holds()); await sleep(20))
    assert.ok(performance.now() < end, `it did not come to hold: ${what}`)
}

interface Status {
  readonly generation?: number
  readonly hash?: string
  readonly ok: boolean
  readonly notes: readonly string[]
}

const denied = (scope: string): object => policy({ deny: [{ scope, reason: 'not here' }] }, 'production')

suite('policies of a registry of two processes', { skip: skipReplicas }, () => {
  let registry: SharedRegistry
  before(async () => (registry = await SharedRegistry.start()))
  afterEach(() => registry.end())
  after(() => registry.stop())

  /** Runs a command through the control socket of a replica. */
  async function trow(replica: string, ...args: string[]): Promise<string> {
    const { code, output } = await runTrow([...args, '--data', registry.folder(replica)])
    assert.equal(code, 0, output)
    return output
  }

  /** The command ends with 79 where not all is well. */
  async function statusOf(replica: string): Promise<Status> {
    const args = ['policy', 'status', '-o', 'json', '--data', registry.folder(replica)]
    return JSON.parse((await runTrow(args)).output) as Status
  }

  function write(folder: string, document: object): void {
    const path = join(registry.root, folder)
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, '.part'), JSON.stringify(document))
    renameSync(join(path, '.part'), join(path, 'p.json'))
  }

  test('in the database: a change through one is in force at the other, and outlives all', async () => {
    const place = await registry.place('database')
    const args = ['--policy-database', '--audit', 'on']
    const [one, two] = await registry.replicas(place, ['d1', 'd2'], args)
    assert.ok(one !== undefined && two !== undefined)
    const digest = await pushImage(one, 'v1', 'image')
    assert.equal(await pullStatus(two, 'v1'), 200)

    const file = join(registry.root, 'production.json')
    writeFileSync(file, JSON.stringify(denied('@trow/forbidden')))
    assert.match(await trow('d1', 'policy', 'apply', file), /in force/)
    await eventually(async () => (await pushStatus(two, 'forbidden/app', 'a')) === 403, 'the other has it')
    assert.equal(await pushStatus(one, 'forbidden/app', 'b'), 403)

    await trow('d2', 'quarantine', digest, '--reason', 'CVE-1')
    assert.equal(await pullStatus(two, 'v1'), 403)
    await eventually(async () => (await pullStatus(one, 'v1')) === 403, 'quarantined at the other')
    await trow('d1', 'quarantine', digest, '--lift')
    await eventually(async () => (await pullStatus(two, 'v1')) === 200, 'given out again')

    const exception = ['exception', 'add', 'hotfix', '--policy', 'production', '--image', '@trow/forbidden']
    await trow(
      'd2',
      ...exception,
      '--in-namespace',
      '*',
      '--reason',
      'r',
      '--expires',
      '1h',
      '--override-deny',
    )
    await eventually(async () => (await pushStatus(one, 'forbidden/app', 'c')) === 201, 'lifted at the other')
    await trow('d1', 'exception', 'expire', 'hotfix')
    await eventually(async () => (await pushStatus(two, 'forbidden/app', 'd')) === 403, 'refused again')

    await eventually(async () => (await statusOf('d2')).ok, 'the last change')
    const [first, second] = [await statusOf('d1'), await statusOf('d2')]
    assert.deepEqual([first.ok, second.ok], [true, true])
    assert.equal(first.generation, second.generation)
    assert.equal(first.hash, second.hash)

    await registry.end()
    const third = await registry.replica(place, { name: 'd3', args })
    assert.equal(await pushStatus(third, 'forbidden/app', 'e'), 403)
    assert.equal((await statusOf('d3')).generation, second.generation, 'a start changes nothing')

    const backup = join(registry.root, 'policies.trowbackup')
    await trow('d3', 'backup', backup)
    const folder = registry.folder('moved')
    const restored = await runTrow(['restore', backup, '--data', folder])
    assert.match(
      restored.output,
      /with \d policies and exceptions of --policy-database: they are files of (\S+) now, and in force only with trow serve --policy-dir \1/,
    )
    const fromFiles = ['--policy-dir', join(folder, 'restored-policies')]
    const moved = await startedServer({ data: folder, args: fromFiles })
    try {
      assert.equal(await pushStatus(moved, 'forbidden/app', 'f'), 403)
      assert.equal(await pushStatus(moved, 'allowed/app', 'f'), 201)
    } finally {
      await moved.kill()
    }
  })

  test('in folders: equal ones have one generation, and who is behind takes no push and sets nothing back', async () => {
    const place = await registry.place('folders')
    for (const folder of ['f1', 'f2']) write(`${folder}-policies`, denied('@trow/one'))
    const start = (name: string): Promise<ServerProcess> =>
      registry.replica(place, { name, args: ['--policy-dir', join(registry.root, `${name}-policies`)] })
    const [one, two] = await Promise.all([start('f1'), start('f2')])
    const before = await statusOf('f1')
    assert.equal(before.generation, (await statusOf('f2')).generation)
    assert.equal(await pushStatus(two, 'two/app', 'a'), 201)

    write('f1-policies', denied('@trow/two'))
    await eventually(async () => (await pushStatus(one, 'two/app', 'b')) === 403, 'newer policies at one')
    // Two has older ones, which would let it pass.
    assert.equal(await pushStatus(two, 'two/app', 'c'), 503)
    await eventually(async () => !(await statusOf('f2')).ok, 'it is said')
    assert.match(
      (await statusOf('f2')).notes.join('\n'),
      /newer policies \(generation \d+\): pushes are refused here/,
    )
    await two.kill()
    const again = await start('f2')
    assert.equal(await pushStatus(again, 'two/app', 'd'), 503, 'a start sets nothing back')
    assert.equal(await pushStatus(one, 'one/app', 'e'), 201)

    write('f2-policies', denied('@trow/two'))
    await eventually(async () => (await pushStatus(again, 'two/app', 'f')) === 403, 'it has caught up')
    assert.equal(await pushStatus(again, 'one/app', 'g'), 201)
    const [first, second] = [await statusOf('f1'), await statusOf('f2')]
    assert.equal(first.generation, second.generation)
    assert.deepEqual([first.ok, second.ok], [true, true])
    assert.ok((first.generation ?? 0) > (before.generation ?? 0))
  })
})
