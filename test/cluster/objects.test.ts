import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { after, beforeEach, suite, test } from 'node:test'
import { ClusterFault } from '../../src/cluster/cluster-fault.ts'
import { ApplyConflict, type KubeChange, type KubeObject } from '../../src/cluster/cluster-objects.ts'
import { CredentialSource } from '../../src/cluster/credential-source.ts'
import type { KubeUser } from '../../src/cluster/kube-context.ts'
import { connectObjects, type OpenClusterObjects } from '../../src/cluster/kubernetes-objects.ts'
import {
  contextFor,
  discovering,
  failure,
  reply,
  startFakeApiServer,
  type Asked,
} from '../support/fake-api-server.ts'

const server = await startFakeApiServer(() => undefined)
const opened: OpenClusterObjects[] = []
after(async () => {
  for (const objects of opened) await objects.close()
  await server.close()
})
beforeEach(() => {
  ;(server.asked as unknown[]).length = 0
})

async function connect(user: Partial<KubeUser> = {}, timeout = 2000): Promise<OpenClusterObjects> {
  const context = contextFor(server.url, user)
  const credentials = new CredentialSource(context, { env: {}, interactive: false, now: () => Date.now() })
  const objects = await connectObjects({ context, credentials, timeout })
  opened.push(objects)
  return objects
}

const configMaps = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'trow' } as const
const one = { ...configMaps, name: 'one' } as const

function configMap(name: string, resourceVersion: string): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'trow', resourceVersion } }
}

suite('objects of an API server that has faults', () => {
  test('absence is undefined, and a kind that is not served has no objects', async () => {
    server.answer = discovering((_, response) => failure(response, 404, 'not found'))
    const objects = await connect()
    assert.equal(await objects.get(one), undefined)
    assert.equal(await objects.patch(one, { data: {} }), undefined)
    assert.equal(await objects.delete(one), false)
    const unknown = { apiVersion: 'example.com/v1', kind: 'Thing' }
    assert.equal(await objects.get({ ...unknown, name: 'x' }), undefined)
    assert.deepEqual(await objects.list(unknown), [])
  })

  test('discovery is asked once for many objects', async () => {
    server.answer = discovering((_, response) => reply(response, 200, configMap('one', '1')))
    const objects = await connect()
    await Promise.all([objects.get(one), objects.get(one), objects.get(one)])
    assert.equal(server.asked.filter(({ path }) => path === '/api/v1').length, 1)
  })

  test('an apply waits for a kind that is only just being served', async () => {
    let asked = 0
    const resources = [{ name: 'things', kind: 'Thing', namespaced: false }]
    server.answer = ({ path, body }, response) => {
      if (path !== '/apis/example.com/v1') return reply(response, 200, body)
      if (++asked < 3) return failure(response, 404, 'the server could not find the requested resource')
      return reply(response, 200, { resources })
    }
    const thing = { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 'x' } }
    assert.deepEqual(await (await connect()).apply(thing), thing)
    const { path, contentType } = server.asked.at(-1) as Asked
    assert.equal(path, '/apis/example.com/v1/things/x?fieldManager=trow&force=false')
    assert.equal(contentType, 'application/apply-patch+yaml')
  })

  test('fields of others are a conflict that names them', async () => {
    server.answer = discovering((_, response) =>
      reply(response, 409, {
        kind: 'Status',
        message: 'Apply failed with 1 conflict: conflict with "kubectl" using v1: .data.a',
        reason: 'Conflict',
        details: {
          causes: [
            {
              reason: 'FieldManagerConflict',
              message: 'conflict with "kubectl" using v1',
              field: '.data.a',
            },
          ],
        },
      }),
    )
    const object = { ...configMaps, metadata: { name: 'one', namespace: 'trow' }, data: { a: '1' } }
    await assert.rejects((await connect()).apply(object), (error: unknown) => {
      assert.ok(error instanceof ApplyConflict)
      assert.deepEqual(error.owners, [{ manager: 'kubectl', field: '.data.a' }])
      return true
    })
  })

  test('a list is paged, and begins again when its snapshot has expired', async () => {
    let expired = false
    server.answer = discovering(({ path }, response) => {
      const next = new URLSearchParams(path.split('?')[1]).get('continue')
      if (next === null) {
        return reply(response, 200, {
          metadata: { resourceVersion: '7', continue: 'more' },
          items: [configMap('a', '1')],
        })
      }
      if (!expired) {
        expired = true
        return failure(response, 410, 'The provided continue parameter is too old')
      }
      return reply(response, 200, { metadata: { resourceVersion: '7' }, items: [configMap('b', '2')] })
    })
    const found = await (await connect()).list(configMaps)
    assert.deepEqual(
      found.map(({ kind, metadata }) => [kind, metadata.name]),
      [
        ['ConfigMap', 'a'],
        ['ConfigMap', 'b'],
      ],
    )
  })

  test('what is forbidden, refused or not answered in time says so', async () => {
    const rows: readonly (readonly [ClusterFault['kind'], (response: ServerResponse) => void])[] = [
      ['forbidden', (response) => failure(response, 403, 'User "x" cannot get resource "configmaps"')],
      ['unauthorized', (response) => failure(response, 401, 'Unauthorized')],
      ['busy', (response) => failure(response, 429, 'too many', 3)],
      ['refused', (response) => failure(response, 422, 'invalid')],
      ['unreachable', (response) => failure(response, 503, 'etcd is away')],
      ['unreachable', (response) => void response.destroy()],
      ['unreachable', () => undefined],
    ]
    for (const [kind, answer] of rows) {
      server.answer = discovering((_, response) => answer(response))
      await assert.rejects((await connect({}, 500)).get(one), (error: unknown) => {
        assert.ok(error instanceof ClusterFault)
        assert.equal(error.kind, kind)
        return true
      })
    }
  })

  test('a server that is busy for a moment is asked again as it says, to read and not to write', async () => {
    const answers = { left: 1 }
    server.answer = discovering((_, response) =>
      answers.left-- > 0
        ? failure(response, 429, 'storage is (re)initializing', 1)
        : reply(response, 200, configMap('a', '1')),
    )
    assert.equal((await (await connect()).get(one))?.metadata.name, 'a')
    answers.left = 1
    await assert.rejects((await connect()).delete(one), /storage is/)
  })

  test('several groups are impersonated, a line each', async () => {
    server.answer = discovering((_, response) => failure(response, 404, 'not found'))
    const impersonate = {
      user: 'ada',
      uid: '7',
      groups: ['team, a', 'team-b'],
      extra: { 'example.com/Why': ['x', 'y'] },
    }
    await (await connect({ impersonate })).get(one)
    const { rawHeaders } = server.asked.at(-1) as Asked
    const values = (name: string): string[] =>
      rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name)
    assert.deepEqual(values('impersonate-user'), ['ada'])
    assert.deepEqual(values('impersonate-uid'), ['7'])
    assert.deepEqual(values('impersonate-group'), ['team, a', 'team-b'])
    assert.deepEqual(values('impersonate-extra-example.com%2fwhy'), ['x', 'y'])
    assert.deepEqual(values('authorization'), ['Bearer own-credential'])
  })
})

suite('a watch of an API server that has faults', () => {
  /** Each watch request gets the next step; each list returns the objects of that moment. */
  async function watched(
    lists: readonly (readonly [string, string][])[],
    watches: readonly ((response: ServerResponse) => void)[],
    until: (told: readonly string[]) => boolean,
  ): Promise<{ told: string[]; faults: Error[] }> {
    const [left, steps] = [[...lists], [...watches]]
    server.answer = discovering(({ path }, response) => {
      if (path.includes('watch=1')) return steps.shift()?.(response)
      const items = (left.length > 1 ? left.shift() : left[0]) ?? []
      return reply(response, 200, {
        metadata: { resourceVersion: '10' },
        items: items.map(([name, version]) => configMap(name, version)),
      })
    })
    const [told, faults, end]: [string[], Error[], AbortController] = [[], [], new AbortController()]
    const onChange = (change: KubeChange): void => {
      told.push(change.kind === 'synced' ? 'synced' : `${change.kind} ${change.object.metadata.name}`)
      if (until(told)) end.abort()
    }
    const signal = AbortSignal.any([end.signal, AbortSignal.timeout(20_000)])
    await (await connect()).watch(configMaps, { onChange, onFault: (fault) => faults.push(fault) }, signal)
    return { told, faults }
  }
  const event = (type: string, object: object): string => `${JSON.stringify({ type, object })}\n`

  test('goes on where it was when the server ends it, with the version of the last bookmark', async () => {
    const { told } = await watched(
      [[['a', '1']]],
      [
        (response) => {
          const text = event('MODIFIED', configMap('a', '11')) + event('BOOKMARK', configMap('', '15'))
          // In two pieces, as a network may deliver it.
          response.write(text.slice(0, 20))
          setImmediate(() => response.end(text.slice(20)))
        },
        (response) => response.write(event('DELETED', configMap('a', '16'))),
      ],
      (all) => all.includes('absent a'),
    )
    assert.deepEqual(told, ['present a', 'synced', 'present a', 'absent a'])
    const versions = server.asked.map(({ path }) => new URLSearchParams(path).get('resourceVersion'))
    assert.deepEqual(versions.filter(Boolean), ['10', '15'])
  })

  const gone = { kind: 'Status', code: 410, message: 'too old resource version', metadata: {} }
  for (const [says, answer] of [
    ['an event', (response: ServerResponse) => response.write(event('ERROR', gone))],
    ['an answer', (response: ServerResponse) => failure(response, 410, 'too old resource version')],
  ] as const) {
    test(`lists again when it is too old, told by ${says}, and tells what vanished meanwhile`, async () => {
      const { told, faults } = await watched(
        [
          [
            ['a', '1'],
            ['b', '2'],
          ],
          [
            ['b', '2'],
            ['c', '9'],
          ],
        ],
        [answer],
        (all) => all.filter((each) => each === 'synced').length === 2,
      )
      assert.deepEqual(told.slice(3), ['absent a', 'present b', 'present c', 'synced'])
      assert.deepEqual(faults, [])
    })
  }

  test('tells faults and tries again', async () => {
    const { told, faults } = await watched(
      [[]],
      [
        (response) => response.destroy(),
        (response) => response.destroy(),
        (response) => failure(response, 503, 'away'),
        (response) => void response.end('no JSON\n'),
        (response) => response.write(event('ADDED', configMap('a', '12'))),
      ],
      (all) => all.includes('present a'),
    )
    assert.deepEqual(told, ['synced', 'present a'])
    assert.equal(faults.length, 3)
  })

  test('ends quietly with its signal while it waits', async () => {
    server.answer = discovering(({ path }, response) => {
      if (path.includes('watch=1')) response.writeHead(200).flushHeaders()
      else reply(response, 200, { metadata: { resourceVersion: '1' }, items: [] })
    })
    const end = new AbortController()
    const onChange = (): void => void setImmediate(() => end.abort())
    await (await connect()).watch(configMaps, { onChange }, end.signal)
  })

  test('does not hide what a listener throws', async () => {
    server.answer = discovering((_, response) =>
      reply(response, 200, { metadata: { resourceVersion: '1' }, items: [] }),
    )
    const onChange = (): void => {
      throw new RangeError('a bug')
    }
    const watching = (await connect()).watch(configMaps, { onChange }, AbortSignal.timeout(20_000))
    await assert.rejects(watching, RangeError)
  })
})
