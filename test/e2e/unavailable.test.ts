import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeCallers, type Caller } from './callers.ts'
import { templates } from './cluster-access.ts'
import { Cluster } from './cluster.ts'
import { CallerLoad } from './load.ts'
import { eventually } from '../support/program.ts'
import { ClusterRegistry } from './registry.ts'
import { clusterProblem } from './requirements.ts'

// The name makes this the last file of a run, because nodes need time to recover afterwards.
suite('the registry without the API server', { skip: clusterProblem() }, () => {
  let cluster: Cluster
  let registry: ClusterRegistry
  let callers: readonly Caller[]
  before(async () => {
    cluster = await Cluster.open()
    registry = await ClusterRegistry.start(cluster, { namespaces: ['team-a', 'team-b'] })
    callers = await makeCallers(registry)
    for (const caller of callers) await settled(caller)
  })
  after(async () => {
    await registry.close()
    await cluster.close()
  })

  async function settled(caller: Caller): Promise<void> {
    await eventually(async () => {
      const { status, body } = await caller.send()
      assert.equal(status, caller.usual, `${caller.name}: ${body}`)
    }, 30_000)
  }

  for (const { how, seconds } of [
    { how: 'killed', seconds: 2 },
    // A cached allow is used for 30 s. Only afterwards is the cluster needed again.
    { how: 'frozen', seconds: 34 },
  ] as const) {
    test(`${how}: pulls go on, and what nobody can tell is 503, never 401`, async (context) => {
      const load = new CallerLoad(callers, 2)
      await sleep(1000)
      await cluster.stopApiServer(how)
      let back: number
      try {
        await sleep(seconds * 1000)
        load.phase = 'during'
        await sleep(6000)
        load.phase = 'recovery'
        // A new question, since a known one would be answered from a cache.
        await sleep(4000)
      } finally {
        await cluster.startApiServer()
        back = Date.now()
      }
      await Promise.all(callers.map(settled))
      context.diagnostic(`all works again ${Date.now() - back} ms after the API server does`)
      assert.ok(Date.now() - back < 30_000)
      await load.end()
      context.diagnostic(`\n${load.table(['before', 'during', 'recovery'])}`)
      for (const caller of callers) {
        const { statuses, slowest, withoutRetryAfter } = load.tally(caller, 'during')
        const allowed = new Set(caller.during.map(String))
        if (seconds < 30) allowed.add(String(caller.usual))
        const others = [...statuses.keys()].filter((status) => !allowed.has(status))
        assert.deepEqual(others, [], `${caller.name}: ${JSON.stringify([...statuses])}`)
        if (caller.during.includes(200)) assert.ok(slowest < 2000, `${caller.name} waits ${slowest} ms`)
        assert.ok(statuses.size > 0, `${caller.name}: nothing was asked`)
        assert.equal(withoutRetryAfter, 0, caller.name)
        assert.equal(load.tally(caller, 'recovery').statuses.get('401'), undefined, caller.name)
      }
    })
  }

  test('whoever runs it is told what right it lacks', async () => {
    const binding = ['clusterrolebinding', 'trow-auth-delegator']
    await cluster.kubectl(['delete', ...binding])
    const { client, output, stop } = await registry.another([])
    try {
      await eventually(async () => {
        assert.equal((await client.get('/v2/team-b/app/tags/list')).status, 503)
        assert.match(output(), /SubjectAccessReview.*bind ClusterRole system:auth-delegator/)
      }, 30_000)
    } finally {
      await stop()
      await cluster.kubectl(['apply', ...templates.flatMap((file) => ['-f', file])])
    }
  })

  test('it also starts without it, for whom no cluster need be asked', async () => {
    await cluster.stopApiServer()
    try {
      const { client, stop } = await registry.another([])
      try {
        const keeper = client.as({ authorization: registry.keeperAuthorization })
        assert.equal((await keeper.push('team-a/app')).status, 202)
        await keeper.close()
        const { status, headers } = await client.get('/v2/team-b/app/tags/list')
        assert.equal(status, 503)
        assert.ok(headers['retry-after'])
      } finally {
        await stop()
      }
    } finally {
      await cluster.startApiServer()
    }
  })
})
