import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { after, before, suite, test } from 'node:test'
import type { DataKey } from '../../../src/blobs/blob-store.ts'
import { attemptChanges } from '../../../src/metadata/postgres/attempt.ts'
import {
  postgresChanges,
  type PostgresChangeName,
  type PostgresChanges,
} from '../../../src/metadata/postgres/postgres-changes.ts'
import { Connection } from '../../../src/metadata/postgres/connection.ts'
import type { NewBlob } from '../../../src/metadata/records.ts'
import type { Change } from '../../../src/metadata/rules/change.ts'
import { defaultOutboxBound } from '../../../src/metadata/rules/outbox-bound.ts'
import { parseRepositoryName } from '../../../src/oci/repository-name.ts'
import { parseTag } from '../../../src/oci/tag.ts'
import { missing } from '../../requirements.ts'
import { digestOf, manifestOf } from '../metadata-store-contract.ts'
import { everyStep } from './change-cases.ts'
import { FlightCounter } from './flight-counter.ts'
import { TestPostgres } from './open-postgres.ts'

interface Step {
  readonly name: PostgresChangeName
  readonly change: Change<unknown, unknown>
  readonly values: unknown
}

function step<Name extends PostgresChangeName>(
  name: Name,
  values: Parameters<PostgresChanges[Name]['run']>[1],
): Step {
  return { name, change: postgresChanges[name] as unknown as Change<unknown, unknown>, values }
}

const [a, b, fresh] = ['a', 'b', 'fresh'].map(parseRepositoryName) as [never, never, never]
const auditRecord = 'x'
const at = { now: 9, auditRecord, policyGeneration: 1 } as const
const inline = (text: string) => ({
  digest: digestOf(text),
  size: text.length,
  content: { kind: 'inline', bytes: Buffer.from(text) } as const,
})
const stored = (text: string) => ({
  ...inline(text),
  content: { kind: 'stored', key: text as DataKey } as const,
})
const blob = (values: Partial<NewBlob> = {}): NewBlob => ({
  repository: a,
  ...inline('blob'),
  uploadId: undefined,
  ...at,
  ...values,
})
const layers = (...texts: readonly string[]) =>
  texts.map((text) => ({ digest: digestOf(text), size: text.length, kind: 'layer', required: true }) as const)
const image = (text: string, extra: Partial<Parameters<typeof manifestOf>[2]> = {}) =>
  step('putManifest', manifestOf(a, text, { ...at, references: layers('blob', 'blob 1'), ...extra }))
const tags = [parseTag('t')]
const many = Array.from({ length: 20 }, (_, index) => `blob ${index}`)
const removal = (text: string): Step =>
  step('deleteManifest', { repository: a, digest: digestOf(text), ...at })
const content = { repository: a, digest: digestOf('blob'), ...at }
const upload = (id: string, repository = a): Step =>
  step('createUpload', { id, repository, algorithm: 'sha256', now: 1 })
const bounds = { before: 1e9, now: 1e9, limit: 100, dryRun: false } as const

/** What is there before each row. */
const seed: readonly Step[] = [
  step('bringPolicies', {
    identity: 'p',
    last: undefined,
    isWhole: true,
    silence: 0,
    auditRecords: [],
    now: 1,
  } as never),
  ...['blob', ...many].map((text) => step('putBlob', { ...blob(inline(text)), policyGeneration: undefined })),
  step('putBlob', blob({ repository: b, ...inline('other') })),
  image('old', { tags: [...tags, parseTag('gone')] }),
  image('child', { references: [] }),
  image('index', { references: [{ ...layers('child')[0], kind: 'manifest' } as never] }),
  image('removed'),
  image('layered', { references: layers(...many) }),
  image('signature', { references: [], subject: digestOf('layered') }),
  step('deleteTag', { repository: a, tag: parseTag('gone'), now: 2 }),
  step('deleteManifest', { repository: a, digest: digestOf('removed'), now: 2 }),
  upload('u'),
  step('putBlob', blob({ repository: parseRepositoryName('vacated'), ...inline('brief') })),
]
/** A repository that holds nothing but its history. */
const vacate = [
  `update repository set vacated_at = 1 where name = 'vacated'`,
  `delete from repository_blob where repository_id = (select id from repository where name = 'vacated')`,
]
const vacated = parseRepositoryName('vacated')

/** What comes of each, and the change. */
const bounded: readonly (readonly [string, unknown, Step])[] = [
  ['a new blob', true, step('putBlob', blob(inline('new')))],
  ['a new blob of an upload', true, step('putBlob', blob({ ...stored('new'), uploadId: 'u', fence: 0 }))],
  ['a blob of the repository', true, step('putBlob', blob({ ...stored('blob'), uploadId: 'u' }))],
  ['a blob of another repository', true, step('putBlob', blob(inline('other')))],
  ['a new blob in a new repository', true, step('putBlob', blob({ ...inline('new'), repository: fresh }))],
  [
    'a new blob in a vacated repository',
    true,
    step('putBlob', blob({ ...inline('new'), repository: vacated })),
  ],
  ['a blob of an upload that is gone', false, step('putBlob', blob({ ...stored('new'), uploadId: 'none' }))],
  ['a new whole blob', true, step('putWholeBlob', { ...blob(inline('new')), uploadId: 'u' })],
  ['a whole blob of the repository', true, step('putWholeBlob', { ...blob(), uploadId: 'u' })],
  ['a whole blob of an upload that is gone', false, step('putWholeBlob', { ...blob(), uploadId: 'none' })],
  [
    'mount',
    true,
    step('mountBlob', { digest: digestOf('other'), from: [parseRepositoryName('c'), b], to: a, ...at }),
  ],
  [
    'mount from anywhere',
    true,
    step('mountBlob', { digest: digestOf('other'), from: undefined, to: a, ...at }),
  ],
  [
    'mount into a new repository',
    true,
    step('mountBlob', { digest: digestOf('blob'), from: [a], to: fresh, ...at }),
  ],
  ['mount of what is there', true, step('mountBlob', { digest: digestOf('blob'), from: [a], to: a, ...at })],
  ['mount of nothing', false, step('mountBlob', { digest: digestOf('none'), from: [a], to: b, ...at })],
  ['touch', true, step('touchBlob', { repository: b, digest: digestOf('other'), ...at })],
  ['touch of nothing', false, step('touchBlob', { repository: b, digest: digestOf('none'), ...at })],
  ['a new image', 'stored', image('new')],
  ['a new image with a new tag', 'stored', image('new', { tags: [parseTag('new')] })],
  ['a new image takes a tag', 'stored', image('new', { tags })],
  [
    'an image with ten tags',
    'stored',
    image('new', { tags: Array.from({ length: 10 }, (_, n) => parseTag(`t${n}`)) }),
  ],
  ['an image again', 'stored', image('old', { tags })],
  ['an image again takes back a tag', 'stored', image('old', { tags: [parseTag('gone')] })],
  ['an image that was removed', 'stored', image('removed')],
  ['an image with 20 layers', 'stored', image('new', { tags, references: layers(...many) })],
  [
    'an index',
    'stored',
    image('new', { references: [{ ...layers('child')[0], kind: 'manifest' } as never] }),
  ],
  ['an image without its layer', 'missing', image('new', { references: layers('none') })],
  ['a sparse image', 'stored', image('new', { references: layers('none'), allowMissing: true })],
  ['an image of a new repository', 'stored', image('new', { repository: fresh, references: [], tags })],
  ['an image of a vacated repository', 'stored', image('new', { repository: vacated, references: [], tags })],
  ['removal of a tag', true, step('deleteTag', { repository: a, tag: tags[0] as never, ...at })],
  ['removal of an image with a tag', 'removed', removal('old')],
  ['removal of an image with many layers and a signature', 'removed', removal('layered')],
  ['removal of an index', 'removed', removal('index')],
  ['removal of an image that an index needs', 'in-use', removal('child')],
  ['removal of nothing', 'unknown', removal('none')],
  [
    'an image that is discarded',
    true,
    step('discardManifest', { repository: a, digest: digestOf('old'), now: 9 }),
  ],
  [
    'removal of a blob',
    'removed',
    step('unlinkBlob', { ...content, repository: b, digest: digestOf('other') }),
  ],
]

const lease = { name: 'gc', holder: 'h', ttl: 1000, now: 1 }
const printed: readonly (readonly [string, Step])[] = [
  ['createUpload', upload('new')],
  ['createUpload in a new repository', upload('new', fresh)],
  [
    'saveUpload',
    step('saveUpload', {
      id: 'u',
      content: { kind: 'inline', bytes: Buffer.from('x') },
      hashState: undefined,
      digest: undefined,
      cutFrom: undefined,
      now: 3,
    }),
  ],
  ['cancelUpload', step('cancelUpload', { repository: a, id: 'u', audited: { auditRecord, now: 9 } })],
  ['claimUpload', step('claimUpload', { id: 'u', holder: 'h' })],
  ['holdUploads', step('holdUploads', { holder: 'h' })],
  ['flushPending', step('flushPending', {})],
  ['setTwin', step('setTwin', { digest: digestOf('blob'), twin: digestOf('twin') })],
  ['acquireLease', step('acquireLease', lease)],
  ['renewLease', step('renewLease', lease)],
  ['releaseLease', step('releaseLease', lease)],
  ['noteGarbage', step('noteGarbage', { notes: {} })],
  ['expireUploads', step('expireUploads', bounds)],
  ['expireUntagged', step('expireUntagged', { ...bounds, repository: a })],
  ['unlinkUnreferenced', step('unlinkUnreferenced', bounds)],
  ['markBlobs', step('markBlobs', bounds)],
  ['deleteMarked', step('deleteMarked', bounds)],
  ['forgetHistory', step('forgetHistory', bounds)],
  ['dropEmptyRepositories', step('dropEmptyRepositories', bounds)],
  ['pendOrphans of ten', step('pendOrphans', { keys: many.slice(0, 10) as never })],
  ['forgetPendingDeletes of ten', step('forgetPendingDeletes', { keys: many.slice(0, 10) as never })],
  ['dropBlob', step('dropBlob', { digest: digestOf('blob'), content: inline('blob').content, now: 9 })],
  ['markCommits', step('markCommits', { copies: [], known: undefined, fresh: { token: 't', history: 'h' }, every: 1, now: 9 })],
  ['noteMissing', step('noteMissing', { at: 1, count: 0, digests: [] })],
  ['probe', step('probe', { now: 9 })],
  ['recordChanges of ten', step('recordChanges', { auditRecords: many.slice(0, 10), now: 9 })],
  ['recordDenials', step('recordDenials', { auditRecords: ['x'], now: 9 })],
  ['recordUnrecorded', step('recordUnrecorded', { kind: 'changes', count: 1, since: 1, until: 1 })],
  ['forgetRecorded', step('forgetRecorded', { kind: 'changes', upTo: 1 })],
  ['saveHead', step('saveHead', { log: 'l', head: 'h' })],
  ['saveAuditKey', step('saveAuditKey', { key: 'k' })],
  ['addRobot', step('addRobot', { name: 'r', description: undefined, secretHash: 's', credentialId: 'c', grants: '[]', createdAt: 1, expiresAt: undefined, audited: { auditRecord, now: 9 } } as never)],
  ['removeRobot', step('removeRobot', { name: 'r', audited: undefined })],
  ['rotateSigningKey', step('rotateSigningKey', { key: { id: 'k', privateKey: 'p', createdAt: 1 }, rotateAfter: 1, forgetAfter: 1 })],
  ['saveLoginSource', step('saveLoginSource', { name: 'n', network: '::', seenAt: 1, most: 9, forgetBefore: 0 })],
  ['placeRecords', step('placeRecords', { kind: 'changes' })],
  ['addLoginFailures', step('addLoginFailures', { more: [] })],
  ['clearLoginFailures', step('clearLoginFailures', { key: 'k' })],
] // prettier-ignore

/** Changes that no row above is about. */
const others = everyStep.filter(
  ({ name }) =>
    ![...bounded.map(([, , each]) => each), ...printed.map(([, each]) => each)].some(
      (row) => row.name === name,
    ),
)

const mostFlights = 4
/** Of the collector, which nobody waits for. */
const mostOfOthers = 10
const skip = missing('initdb', 'postgres')

suite('flights of changes on PostgreSQL', { skip }, () => {
  const postgres = new TestPostgres()
  let connection: Connection

  before(async () => {
    connection = await Connection.open({ connectionString: await postgres.newRegistry() })
    for (const each of seed) await run(connection, each)
    for (const text of vacate) await connection.run(text)
  })
  after(() => connection.close())

  async function run(on: Connection, { change, values }: Step): Promise<void> {
    await attemptChanges(on, [{ change, values }], defaultOutboxBound)
  }

  /** Runs the change in a transaction that is rolled back: each row meets the same content. */
  async function count(each: Step): Promise<FlightCounter & { readonly result: unknown }> {
    const counter = new FlightCounter(connection)
    const { results } = await attemptChanges(counter as unknown as Connection, [each], defaultOutboxBound)
    return Object.assign(counter, { result: results[0] })
  }

  test('what pushes and removals do takes at most four', async (t) => {
    for (const [name, expected, each] of bounded) {
      const { flights, statements, result } = await count(each)
      t.diagnostic(line(name, flights, statements))
      assert.equal((result as { readonly kind?: string }).kind ?? result, expected, name)
      assert.ok(flights <= mostFlights, `${name}: ${flights}`)
    }
  })

  test('those of all other changes are few, and printed', async (t) => {
    const rest = others.map(({ name, values }) => [name, step(name, values as never)] as const)
    for (const [name, each] of [...printed, ...rest]) {
      const { flights, statements } = await count(each)
      t.diagnostic(line(name, flights, statements))
      assert.ok(flights >= 2 && flights <= mostOfOthers, name)
    }
  })

  test('what goes out in one flight is one write to the socket', async (t) => {
    const { port } = await postgres.server
    let writes = 0
    for (const way of ['_write', '_writev'] as const) {
      const write = Reflect.get(Socket.prototype, way) as (...args: unknown[]) => void
      const counted = function (this: Socket, ...args: unknown[]): void {
        if (this.remotePort === port) writes++
        write.apply(this, args)
      }
      Reflect.set(Socket.prototype, way, counted)
      t.after(() => Reflect.set(Socket.prototype, way, write))
    }
    for (const [name, , each] of bounded) {
      writes = 0
      const { flights, statements } = await count(each)
      t.diagnostic(`${line(name, flights, statements)}: ${writes} writes`)
      assert.ok(writes <= flights, `${name}: ${writes} writes for ${flights} flights`)
    }
  })

  test('16 images that are stored in one transaction share its flights, but for those with one tag', async (t) => {
    const batchOf = async (
      name: string,
      repository: (n: number) => string,
      tagOf: (n: number) => string = () => 't',
    ): Promise<number> => {
      const counter = new FlightCounter(connection)
      const batch = Array.from({ length: 16 }, (_, n) =>
        image(`new ${n}`, {
          repository: parseRepositoryName(repository(n)),
          references: [],
          tags: [parseTag(tagOf(n))],
        }),
      )
      await attemptChanges(counter as unknown as Connection, batch, defaultOutboxBound)
      t.diagnostic(line(name, counter.flights, counter.statements))
      return counter.flights
    }
    assert.ok((await batchOf('16 images of 16 repositories', (n) => `side/${n}`)) <= mostFlights)
    const ofOne = await batchOf(
      '16 images of one repository',
      () => 'a',
      (n) => `own${n}`,
    )
    assert.ok(ofOne <= mostFlights)
    assert.ok((await batchOf('16 images that take one tag from each other', () => 'a')) <= 2 * 16 + 1)
  })
})

function line(name: string, flights: number, statements: number): string {
  return `${String(flights).padStart(3)} flights ${String(statements).padStart(4)} statements  ${name}`
}
