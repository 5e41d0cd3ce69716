import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { suite, test } from 'node:test'
import type { OpenCluster } from '../../../src/cli/cluster/cluster-options.ts'
import { pushCanary } from '../../../src/cli/install/push-canary.ts'
import { layoutOf } from '../../../src/cluster/layout.ts'
import { UserError } from '../../../src/user-error.ts'
import { FakeObjects } from '../../support/fake-objects.ts'

suite('the push of a tiny image, where the registry is not reached', () => {
  /** Expects a single attempt: a retry would not change this fault. */
  async function push(fault: Error): Promise<void> {
    const objects = new FakeObjects()
    let attempts = 0
    objects.fault = (_, kind) => {
      if (kind !== 'Service') return
      assert.equal(++attempts, 1)
      throw fault
    }
    const credentials = { current: async () => ({ certificate: { cert: '', key: '' } }) }
    const cluster = { objects, credentials, layout: layoutOf('trow') } as unknown as OpenCluster
    const image = {
      repository: 'a/b',
      tag: '1',
      mediaType: 'a/b',
      manifest: Buffer.from('{}'),
      blobs: [],
    } as unknown as Parameters<typeof pushCanary>[0]
    await pushCanary(image, {
      cluster,
      signal: new AbortController().signal,
      terminal: { stderr: new PassThrough() },
    })
  }

  test('says what the kubeconfig lacks', async () => {
    const fault = new UserError('KUBECONFIG_INVALID', 'the token file cannot be read')
    await assert.rejects(push(fault), (error) => error === fault)
  })

  test('says that its certificate is not trusted', async () => {
    const fault = Object.assign(new Error('self-signed'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
    await assert.rejects(
      push(fault),
      (error) =>
        error instanceof UserError &&
        error.code === 'REGISTRY_UNTRUSTED' &&
        error.exitCode === 69 &&
        error.message === 'the certificate of https://trow.trow.svc is not trusted: self-signed' &&
        error.hint === 'Give the CA of the registry with --ca FILE.',
    )
  })
})
