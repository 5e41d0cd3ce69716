import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ClusterSource } from '../../src/policy-store/cluster-source.ts'
import type { SourceUnit } from '../../src/policy-store/policy-source.ts'
import { failure, reply } from '../support/fake-api-server.ts'
import { PolicyApi } from '../support/policy-api.ts'
import { exceptionText, policyText, quiet, until } from './fixture.ts'

interface Told {
  readonly states: (readonly SourceUnit[])[]
  readonly reasons: string[]
  alive: number
}

interface Watched extends AsyncDisposable {
  readonly api: PolicyApi
  readonly source: ClusterSource
  readonly told: Told
}

async function watched(prepare: (api: PolicyApi) => void = () => undefined): Promise<Watched> {
  const api = new PolicyApi()
  prepare(api)
  const objects = await api.connect()
  const source = new ClusterSource({ objects, now: Date.now, log: quiet })
  const told: Told = { states: [], reasons: [], alive: 0 }
  source.watch({
    state: (units) => void told.states.push(units),
    alive: () => void told.alive++,
    away: (reason) => void told.reasons.push(reason),
  })
  return {
    api,
    source,
    told,
    async [Symbol.asyncDispose]() {
      await source.close()
      api.cut()
      await objects.close()
      await api.close()
    },
  }
}

function namesIn(units: readonly SourceUnit[] | undefined): string {
  return (units ?? []).map(({ name }) => name).join(' ')
}

suite('the policies of a cluster', () => {
  test('are told once at first, all kinds of them, and within a second of a change', async () => {
    await using it = await watched((api) => {
      api.put(policyText('a'))
      api.put(policyText('b'))
      api.put(exceptionText('x', Date.now() + 60_000))
    })
    const { api, told } = it
    await until(() => told.states.length === 1)
    assert.equal(namesIn(told.states[0]), 'trowpolicies/a trowpolicies/b trowexceptions/x')
    for (const [change, wanted] of [
      [() => api.put(policyText('c')), 'trowpolicies/a trowpolicies/b trowpolicies/c trowexceptions/x'],
      [() => api.remove('trowpolicies', 'a'), 'trowpolicies/b trowpolicies/c trowexceptions/x'],
      [() => api.remove('trowexceptions', 'x'), 'trowpolicies/b trowpolicies/c'],
    ] as const) {
      change()
      await until(() => namesIn(told.states.at(-1)) === wanted, 1000)
    }
    assert.deepEqual(told.reasons, [])
  })

  test('are units with who changed them and when, without what the API server and trow write', async () => {
    await using it = await watched((api) => api.put(policyText('a'), 'argocd-controller'))
    const { told } = it
    await until(() => told.states.length === 1)
    const [unit] = told.states[0] ?? []
    assert.equal(unit?.changedBy, 'field manager argocd-controller')
    assert.ok(Math.abs(Date.now() - (unit?.changedAt ?? 0)) < 60_000)
    const value = unit?.documents[0]?.value as { metadata: object; status?: object }
    assert.deepEqual(Object.keys(value.metadata), ['name', 'creationTimestamp'])
    assert.equal(value.status, undefined)
  })

  test('have another version when the spec changes or the object is made anew, and not with the status', async () => {
    await using it = await watched((api) => api.put(policyText('a')))
    const { api, told, source } = it
    await until(() => told.states.length === 1)
    const version = (): string => told.states.at(-1)?.[0]?.version ?? ''
    const first = version()
    source.report([
      {
        name: 'trowpolicies/a',
        version: first,
        problems: [],
        inForce: true,
        hash: 'sha256:1',
        generation: 1,
      },
    ])
    await until(() => api.status('trowpolicies', 'a') !== undefined)
    const { alive } = told
    api.bookmark()
    await until(() => told.alive > alive)
    assert.equal(told.states.length, 1)
    api.put(policyText('a', { mode: 'warn' }))
    await until(() => told.states.length === 2, 1000)
    const second = version()
    api.remove('trowpolicies', 'a')
    api.put(policyText('a', { mode: 'warn' }))
    await until(() => version() !== second && version() !== '')
    assert.equal(new Set([first, second, version()]).size, 3)
  })

  test('are alive with each bookmark, and while nothing changes within ten seconds', async () => {
    await using it = await watched()
    const { api, told } = it
    await until(() => told.states.length === 1)
    let { alive } = told
    api.bookmark()
    await until(() => told.alive > alive, 1000)
    for (let times = 0; times < 2; times++) {
      alive = told.alive
      await until(() => told.alive > alive, 9000)
    }
    assert.deepEqual(told.reasons, [])
    assert.equal(told.states.length, 1)
  })

  test('are away when a watch dies without a word, and told again when it does not', async () => {
    await using it = await watched()
    const { api, told } = it
    await until(() => told.states.length === 1)
    api.isSilent = true
    await until(() => told.reasons.length > 0, 9500)
    api.isSilent = false
    api.put(policyText('a'))
    await until(() => namesIn(told.states.at(-1)) === 'trowpolicies/a', 9000)
  })

  test('are listed again when their version is too old, and what is gone is gone', async () => {
    await using it = await watched((api) => {
      api.put(policyText('a'))
      api.put(policyText('b'))
    })
    const { api, told } = it
    await until(() => told.states.length === 1)
    api.isSilent = true
    api.remove('trowpolicies', 'a')
    api.put(policyText('c'))
    api.isSilent = false
    api.compact()
    api.cut()
    await until(() => namesIn(told.states.at(-1)) === 'trowpolicies/b trowpolicies/c', 3000)
  })

  test('stay as they were while the API server is away, which is told, and are told when it is back', async () => {
    await using it = await watched((api) => api.put(policyText('a')))
    const { api, told } = it
    await until(() => told.states.length === 1)
    api.isDown = true
    api.cut()
    await until(() => told.reasons.some((reason) => reason.includes('etcd is away')))
    const { alive } = told
    assert.equal(told.states.length, 1)
    api.isDown = false
    await until(() => told.alive > alive, 9000)
    api.put(policyText('b'))
    await until(() => told.states.length === 2, 1000)
  })

  test('something is said within five seconds of a start without an API server', async () => {
    await using it = await watched((api) => (api.isDown = true))
    await until(() => it.told.reasons.length > 0)
    assert.match(it.told.reasons[0] ?? '', /etcd is away/)
    assert.equal(it.told.states.length, 0)
  })
})

suite('the status of policies in a cluster', () => {
  test('says what is wrong and what is in force, once', async () => {
    await using it = await watched((api) => api.put(policyText('a')))
    const { api, told, source } = it
    await until(() => told.states.length === 1)
    const version = told.states[0]?.[0]?.version ?? ''
    const problems = [
      { place: undefined, message: 'spec.rules[0].scope: SCOPE_SHORT: nginx has no host' },
      { place: undefined, message: 'spec.pin: this release does not have it' },
    ]
    const outcome = {
      name: 'trowpolicies/a',
      version,
      problems,
      inForce: true,
      hash: 'sha256:1',
      generation: 1,
    }
    source.report([outcome])
    await until(() => api.status('trowpolicies', 'a') !== undefined)
    const { conditions = [], ...rest } = api.status('trowpolicies', 'a') ?? {}
    assert.deepEqual(rest, {
      observedGeneration: 1,
      hash: 'sha256:1',
      problems: problems.map(({ message }) => message),
    })
    assert.deepEqual(
      conditions.map(({ type, status, reason, message }) => [type, status, reason, message]),
      [
        ['Accepted', 'False', 'Invalid', 'spec.rules[0].scope: SCOPE_SHORT: nginx has no host, and 1 more'],
        ['Enforcing', 'True', 'LastGood', 'the registry judges by what was last good of it'],
      ],
    )
    const writes = (): number => api.asked.filter(({ method }) => method === 'PATCH').length
    assert.equal(writes(), 1)
    const [write] = api.asked.filter(({ method }) => method === 'PATCH')
    assert.match(write?.path ?? '', /\/trowpolicies\/a\/status\?fieldManager=trow&force=true$/)
    source.report([{ ...outcome, generation: 2 }])
    await until(() => told.alive > 0, 9000)
    assert.equal(writes(), 1)
    source.report([{ ...outcome, problems: [] }])
    await until(() => writes() === 2, 1000)
    const note = 'worker 2 has not confirmed generation 2, and may still judge by an older one'
    source.report([{ ...outcome, problems: [], note }])
    await until(() => writes() === 3, 1000)
    const enforcing = api.status('trowpolicies', 'a')?.conditions?.find(({ type }) => type === 'Enforcing')
    assert.deepEqual(
      [enforcing?.status, enforcing?.reason, enforcing?.message],
      ['False', 'Unconfirmed', note],
    )
  })

  test('is written after a report that had nothing to say, and of others while one cannot be written', async () => {
    await using it = await watched()
    const { api, told, source } = it
    await until(() => told.states.length === 1)
    source.report([])
    api.refusal = ({ path }, response) => {
      if (path.includes('/trowpolicies/a/')) return failure(response, 403, 'not this one')
      reply(response, 200, api.get('trowpolicies', 'b'))
      api.setStatus('trowpolicies', 'b', { observedGeneration: 1 })
    }
    api.put(policyText('a'))
    api.put(policyText('b'))
    await until(() => told.states.at(-1)?.length === 2)
    source.report(
      (told.states.at(-1) ?? []).map(({ name, version }) => ({
        name,
        version,
        problems: [],
        inForce: true,
        hash: 'sha256:1',
        generation: 1,
      })),
    )
    await until(() => api.status('trowpolicies', 'b') !== undefined, 2000)
    assert.equal(api.status('trowpolicies', 'a'), undefined)
  })

  test('of an object that stands there already is not written again by a new process', async () => {
    await using it = await watched((api) => api.put(policyText('a')))
    const { api, told, source } = it
    await until(() => told.states.length === 1)
    const version = told.states[0]?.[0]?.version ?? ''
    const outcome = {
      name: 'trowpolicies/a',
      version,
      problems: [],
      inForce: true,
      hash: 'sha256:1',
      generation: 1,
    }
    source.report([outcome])
    await until(() => api.status('trowpolicies', 'a') !== undefined)
    const objects = await api.connect()
    const next = new ClusterSource({ objects, now: Date.now, log: quiet })
    try {
      let states = 0
      next.watch({ state: () => void states++, alive: () => undefined, away: () => undefined })
      await until(() => states === 1)
      next.report([outcome])
      api.bookmark()
      await new Promise((resolve) => setTimeout(resolve, 300))
      assert.equal(api.asked.filter(({ method }) => method === 'PATCH').length, 1)
    } finally {
      await next.close()
      await objects.close()
    }
  })

  test('of an exception that has ended says so, and a refused write is made again', async () => {
    await using it = await watched((api) => api.put(exceptionText('x', Date.now() - 1000)))
    const { api, told, source } = it
    await until(() => told.states.length === 1)
    const version = told.states[0]?.[0]?.version ?? ''
    let refused = 0
    api.refusal = (_asked, response) => {
      refused++
      api.refusal = undefined
      response.writeHead(503).end()
    }
    source.report([
      { name: 'trowexceptions/x', version, problems: [], inForce: true, hash: 'sha256:1', generation: 1 },
    ])
    await until(() => api.status('trowexceptions', 'x') !== undefined, 9000)
    assert.equal(refused, 1)
    const { conditions = [] } = api.status('trowexceptions', 'x') ?? {}
    assert.deepEqual(
      conditions.map(({ reason }) => reason),
      ['Loaded', 'Expired'],
    )
  })
})
