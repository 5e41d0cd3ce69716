import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { send } from '../enforcement/guarded-registry.ts'
import { policyText } from '../policy-store/fixture.ts'
import { PolicyApi } from '../support/policy-api.ts'
import { startedServer, type ServerProcess } from '../support/server-process.ts'
import { eventually } from './policy-server.ts'

/** A real server whose policies are those of a cluster, on a data folder that outlives it. */
class ClusterServer implements AsyncDisposable {
  readonly api = new PolicyApi()
  readonly #root = mkdtempSync(join(tmpdir(), 'trow-policy-cluster-'))
  #server: ServerProcess | undefined

  async start(): Promise<void> {
    const kubeconfig = join(this.#root, 'kubeconfig')
    writeFileSync(kubeconfig, await this.api.kubeconfig())
    const args = ['--policy-cluster', '--kubeconfig', kubeconfig]
    this.#server = await startedServer({ data: join(this.#root, 'data'), args })
  }

  async stop(): Promise<void> {
    await this.#server?.stop()
    this.#server = undefined
  }

  /** The status of a push to the repository that has only begun. */
  async push(repository: string): Promise<number> {
    const port = Number(new URL(this.#server?.url ?? '').port)
    return (await send(port, 'POST', `/v2/${repository}/blobs/uploads/`)).status
  }

  condition(name: string, type: string): string {
    const found = this.api.status('trowpolicies', name)?.conditions?.find((each) => each.type === type)
    return `${found?.status} ${found?.reason}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    this.api.cut()
    await this.api.close()
    rmSync(this.#root, { recursive: true, force: true })
  }
}

const denying = (scope: string): string => policyText('p', { deny: [{ scope, reason: 'it is bad' }] })

suite('trow serve --policy-cluster', () => {
  test('judges by the objects of the cluster, stays at what was last good, and says so where people look', async () => {
    await using it = new ClusterServer()
    it.api.put(denying('@trow/bad'))
    await it.start()
    await eventually(async () => (await it.push('bad/app')) === 403, 'the deny is in force')
    assert.equal(await it.push('good/app'), 202)
    await eventually(() => it.condition('p', 'Enforcing') === 'True InForce', 'its status says so')
    assert.equal(it.condition('p', 'Accepted'), 'True Loaded')

    it.api.put(denying('nginx'))
    await eventually(() => it.condition('p', 'Accepted') === 'False Invalid', 'its status says what is wrong')
    assert.match(
      it.api.status('trowpolicies', 'p')?.problems?.[0] ?? '',
      /^spec\.deny\[0\]\.scope: SCOPE_SHORT/,
    )
    assert.equal(it.condition('p', 'Enforcing'), 'True LastGood')
    assert.equal(await it.push('bad/app'), 403)

    it.api.put(denying('@trow/worse'))
    await eventually(async () => (await it.push('worse/app')) === 403, 'the mended one is in force')
    assert.equal(await it.push('bad/app'), 202)
    await eventually(() => it.condition('p', 'Accepted') === 'True Loaded', 'its status says so')
  })

  test('goes on while the API server is away, also over a restart, and takes nothing before it has read any', async () => {
    await using it = new ClusterServer()
    it.api.isDown = true
    await it.start()
    assert.equal(await it.push('good/app'), 503)
    it.api.isDown = false
    it.api.put(denying('@trow/bad'))
    await eventually(async () => (await it.push('good/app')) === 202, 'the policies were read')
    assert.equal(await it.push('bad/app'), 403)
    it.api.isDown = true
    it.api.cut()
    assert.equal(await it.push('bad/app'), 403)
    assert.equal(await it.push('good/app'), 202)
    await it.stop()
    await it.start()
    assert.equal(await it.push('bad/app'), 403)
    assert.equal(await it.push('good/app'), 202)
  })
})
