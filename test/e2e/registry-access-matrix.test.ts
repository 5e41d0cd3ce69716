import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import {
  checkCatalogue,
  checkCells,
  checkMount,
  rights,
  seed,
  sha256,
  type Content,
  type Role,
  type Way,
} from '../support/access-matrix.ts'
import { basic } from '../support/ways.ts'
import { certificateOf } from './callers.ts'
import type { Pair } from '../support/certificate-authority.ts'
import { Cluster } from './cluster.ts'
import { eventually } from '../support/program.ts'
import { ClusterRegistry } from './registry.ts'
import { bearer } from './registry-client.ts'
import { clusterProblem } from './requirements.ts'

const roles = ['nobody', 'puller', 'pusher', 'admin'] as const
type RoleName = (typeof roles)[number]

suite('who may do what by RBAC, cell by cell', { skip: clusterProblem() }, () => {
  let cluster: Cluster
  let registry: ClusterRegistry
  const contents = new Map<string, Content>()
  const accounts = new Map<RoleName, string>()
  let total = 0
  before(async () => {
    cluster = await Cluster.open()
    registry = await ClusterRegistry.start(cluster, { namespaces: ['team-a', 'team-b', 'public'] })
    for (const role of roles) {
      accounts.set(role, await registry.token(await registry.serviceAccount('team-a', role)))
      if (role === 'nobody') continue
      const subjects = [`--serviceaccount=team-a:${role}`, `--user=person-${role}`, `--group=group-${role}`]
      await registry.bind('team-a', role, ...subjects)
    }
    await registry.bind('public', 'puller', '--group=system:unauthenticated')
    await registry.bind('team-a', 'puller', '--group=system:nodes')
    const anybody = registry.client()
    await eventually(async () => {
      const { status } = await anybody.get('/v2/team-a/app/tags/list', bearer(accounts.get('puller') ?? ''))
      assert.equal(status, 404)
    }, 30_000)
    for (const name of ['team-a/app', 'team-b/app', 'public/app'])
      contents.set(name, await seed(registry.keeper, name))
  })
  after(async () => {
    await registry.close()
    await cluster.close()
  })

  /** Tests every right of a way of access in `team-a`, and that it gives none in `team-b` or in the registry's own namespace. */
  async function check(ways: readonly Way[], role: RoleName): Promise<number> {
    const known: Role = { name: role, known: true, rights: rights[role] }
    const none: Role = { name: role, known: true, rights: rights.nobody }
    let cells = 0
    for (const way of ways) {
      cells += await checkCells(way, known, inside('team-a'))
      cells += await checkCatalogue(way, known, { real: 'team-a/app' })
      cells += await checkCells(way, none, inside('team-b'))
      cells += await checkCatalogue(way, none, { real: 'team-b/app' })
    }
    return cells
  }

  const inside = (namespace: string): { real: string; absent: string; content: Content } => {
    const content = contents.get(`${namespace}/app`)
    assert.ok(content)
    return { real: `${namespace}/app`, absent: `${namespace}/xyz`, content }
  }

  const waysOfToken = (token: string): Way[] => {
    const anybody = registry.client()
    const password = basic('whoever', token)
    return [
      anybody.way('Basic', async () => ({ authorization: password })),
      anybody.way('Bearer', async () => bearer(token)),
      anybody.way('a token by GET', async (scope) => bearer(await anybody.token(scope, password))),
      anybody.way('a token by POST', async (scope) =>
        bearer(await anybody.passwordToken(scope, 'whoever', token)),
      ),
    ]
  }

  for (const role of roles) {
    test(`service account, ${role}`, async (context) => {
      const cells = await check(waysOfToken(accounts.get(role) ?? ''), role)
      total += cells
      context.diagnostic(`${cells} cells`)
    })

    test(`person and group of a client certificate, ${role}`, async (context) => {
      const person = registry.client({ pair: await certificateOf(`person-${role}`) })
      const member = registry.client({ pair: await certificateOf('somebody', 'others', `group-${role}`) })
      const anybody = registry.client()
      const ways = [
        person.way('CN'),
        member.way('O'),
        anybody.way('a token for a certificate', async (scope) => bearer(await person.token(scope))),
      ]
      const cells = await check(ways, role)
      total += cells
      context.diagnostic(`${cells} cells`)
    })
  }

  test('kubelet', async (context) => {
    const kubelet = registry.client({ pair: await certificateOf('system:node:n1', 'system:nodes') })
    const anybody = registry.client()
    const ways = [
      kubelet.way('certificate'),
      anybody.way('a token for its certificate', async (scope) => bearer(await kubelet.token(scope))),
    ]
    const cells = await check(ways, 'puller')
    total += cells
    context.diagnostic(`${cells} cells`)
  })

  test('anonymous, with a binding and without one', async (context) => {
    const anybody = registry.client()
    const ways = [
      anybody.way('nothing'),
      anybody.way('an anonymous token', async (scope) => bearer(await anybody.token(scope))),
    ]
    let cells = 0
    for (const way of ways) {
      const none: Role = { name: 'anonymous', known: false, rights: rights.nobody }
      const some: Role = { name: 'anonymous', known: false, rights: rights.puller }
      cells += await checkCells(way, none, inside('team-a'))
      cells += await checkCells(way, some, inside('public'))
      cells += await checkCatalogue(way, none, { real: 'team-a/app' })
    }
    total += cells
    context.diagnostic(`${cells} cells`)
  })

  test('a certificate of another CA is nobody, and what stands for the cluster itself is asked like anybody', async (context) => {
    const other = registry.client({ pair: strangersPair(registry) })
    const nobody: Role = { name: 'nobody', known: false, rights: rights.nobody }
    let cells = await checkCells(other.way("the registry's own certificate"), nobody, inside('team-a'))
    // The API server allows system:masters everything.
    const master = registry.client({ pair: await certificateOf('root', 'system:masters') })
    const all: Role = { name: 'master', known: true, rights: rights.admin }
    cells += await checkCells(master.way('system:masters'), all, inside('team-b'))
    total += cells
    context.diagnostic(`${cells} cells`)
  })

  test('a mount needs pull on its source', async (context) => {
    const body = 'only in team-b'
    const digest = sha256(body)
    const path = `/v2/team-b/app/blobs/uploads/?digest=${digest}`
    const headers = { 'Content-Type': 'application/octet-stream' }
    assert.equal((await registry.keeper.send({ method: 'POST', path, headers, body })).status, 201)
    let cells = 0
    for (const way of waysOfToken(accounts.get('pusher') ?? '')) {
      const target = 'team-a/other'
      cells += await checkMount(way, { target, source: 'team-b/app', digest }, false)
      const own = contents.get('team-a/app')?.blob ?? ''
      cells += await checkMount(way, { target, source: 'team-a/app', digest: own }, true)
    }
    total += cells
    context.diagnostic(`${cells} cells; ${total} in all, and none tells what it must not`)
  })
})

/** A certificate that is valid, but not for clients. */
function strangersPair(registry: ClusterRegistry): Pair {
  const folder = dirname(registry.caFile)
  return {
    cert: readFileSync(join(folder, 'tls.crt'), 'utf8'),
    key: readFileSync(join(folder, 'tls.key'), 'utf8'),
  }
}
