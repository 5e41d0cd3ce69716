import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { KubeChange, KubeObject } from '../../src/cluster/cluster-objects.ts'
import { watchObjects } from '../../src/cluster/object-watch.ts'
import { isCollected } from '../support/collected.ts'

const configMap = (name: string): KubeObject => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } })

suite('a watch that waits', () => {
  test('holds no object that it has handed on: one may have a megabyte', async () => {
    const end = new AbortController()
    const waits = Promise.withResolvers<void>()
    const told: WeakRef<KubeObject>[] = []
    const events = ['MODIFIED', 'ADDED'].map(
      (type) => `${JSON.stringify({ type, object: configMap(type) })}\n`,
    )
    async function* changes(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(events.join(''))
      waits.resolve()
      await new Promise<void>((resolve) => end.signal.addEventListener('abort', () => resolve()))
    }
    const source = {
      list: () => Promise.resolve({ items: [configMap('listed')], resourceVersion: '1' }),
      changes: () => Promise.resolve(changes()),
    }
    const onChange = (change: KubeChange): void => {
      if (change.kind === 'present') told.push(new WeakRef(change.object))
    }
    const watching = watchObjects(source, { onChange }, end.signal)
    await waits.promise
    assert.equal(told.length, 3)
    for (const [place, each] of told.entries()) assert.ok(await isCollected(each), `object ${place} is held`)
    end.abort()
    await watching
  })
})
