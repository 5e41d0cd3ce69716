import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { NodeStandings } from '../../src/access/node-standings.ts'
import type { Principal } from '../../src/access/principal.ts'
import { ClusterUnavailable } from '../../src/cluster/reviews.ts'

const start = 1_800_000_000_000
const minute = 60_000
const node: Principal = {
  kind: 'node-certificate',
  name: 'system:node:n1',
  groups: ['system:nodes'],
  reviewable: true,
}
const issued: Principal = {
  ...node,
  node: { uid: 'u1', account: { namespace: 'trow-node', name: 'trow-node', uid: 'a1' } },
}

suite('nodes that show a certificate', () => {
  function open() {
    const state = {
      now: start,
      nodes: new Map([['n1', 'u1']]),
      account: 'a1' as string | undefined,
      away: false,
      frozen: false,
      asked: [] as string[],
    }
    const answer = async (what: string, uid: string | undefined): Promise<string | undefined> => {
      state.asked.push(what)
      await new Promise((resolve) => setImmediate(resolve))
      if (state.frozen) await new Promise(() => undefined)
      if (state.away) throw new ClusterUnavailable('away')
      return uid
    }
    const standings = new NodeStandings({
      presence: {
        nodeUid: (name) => answer(name, state.nodes.get(name)),
        accountUid: (namespace, name) => answer(`${namespace}/${name}`, state.account),
      },
      agents: ['trow-node:trow-node'],
      now: () => state.now,
    })
    const reason = async (principal: Principal): Promise<string> => {
      const verified = await standings.verify(principal)
      return verified.ok ? 'ok' : `${verified.kind}: ${verified.reason}`
    }
    return { state, standings, reason }
  }

  test('one question for each object in seven seconds, however many come at once', async () => {
    const { state, standings } = open()
    const answers = await Promise.all(Array.from({ length: 50 }, () => standings.verify(issued)))
    assert.ok(answers.every((answer) => answer.ok && answer.until === start + 7000))
    assert.deepEqual(state.asked, ['n1', 'trow-node/trow-node'])
    state.now += 6999
    await standings.verify(issued)
    assert.equal(state.asked.length, 2)
    state.now += 1
    await standings.verify(issued)
    assert.equal(state.asked.length, 4)
  })

  test('a known node does not wait for a cluster that is frozen', async () => {
    const { state, standings, reason } = open()
    assert.equal(await reason(issued), 'ok')
    state.now += 8000
    state.frozen = true
    const waited = Symbol('it waited')
    const long = new Promise((resolve) => setTimeout(resolve, 2500, waited).unref())
    const verified = await Promise.race([standings.verify(node), long])
    assert.notEqual(verified, waited)
    assert.equal((verified as { ok: boolean }).ok, true)
  })

  test('a node, or an account, that is gone or was made anew is refused', async () => {
    const later = (): ReturnType<typeof open> => {
      const opened = open()
      opened.state.now += minute
      return opened
    }
    assert.equal(await later().reason(issued), 'ok')
    const gone = later()
    gone.state.nodes.clear()
    assert.equal(await gone.reason(issued), 'refused: node n1 is not in the cluster')
    assert.equal(await gone.reason(node), 'refused: node n1 is not in the cluster')
    const anew = later()
    anew.state.nodes.set('n1', 'u2')
    assert.match(await anew.reason(issued), /refused: the certificate was issued for another node/)
    assert.equal(await anew.reason(node), 'ok', "a kubelet's own says nothing of it")
    for (const account of [undefined, 'a2']) {
      const without = later()
      without.state.account = account
      assert.match(await without.reason(issued), /refused: the service account trow-node:trow-node/)
    }
    const other = { namespace: 'team', name: 'trow-node', uid: 'a1' }
    const stranger = { ...issued, node: { uid: 'u1', account: other } }
    assert.match(await later().reason(stranger), /team:trow-node is none of --node-agents/)
    for (const name of ['..', 'n1/../n2', 'N1', ''])
      assert.match(await later().reason({ ...node, name: `system:node:${name}` }), /no node has such a name/)
  })

  test('while the cluster is silent, what it said last holds for ten minutes, and a stranger is no stranger', async () => {
    const { state, reason } = open()
    assert.equal(await reason(issued), 'ok')
    state.away = true
    for (const after of [7000, minute, 5 * minute, 10 * minute - 1]) {
      state.now = start + after
      assert.equal(await reason(issued), 'ok', `after ${after} ms`)
    }
    state.now = start + 10 * minute
    assert.match(await reason(issued), /^unavailable/)
    assert.match(await reason({ ...node, name: 'system:node:n2' }), /^unavailable/)
    state.away = false
    state.nodes.clear()
    assert.match(await reason(issued), /^refused/)
  })
})
