import type { DataKey } from '../../../src/blobs/blob-store.ts'
import type { ChainLink, NewLines } from '../../../src/metadata/audit-chain.ts'
import type { EncodedAuditRecord, OutboxEntry } from '../../../src/metadata/outbox.ts'
import type { PostgresChangeName, PostgresChanges } from '../../../src/metadata/postgres/postgres-changes.ts'
import { parseRepositoryName } from '../../../src/oci/repository-name.ts'
import { parseTag } from '../../../src/oci/tag.ts'
import { digestOf, manifestOf } from '../metadata-store-contract.ts'
import type { Step } from './interleaver.ts'

type Values<Name extends PostgresChangeName> = Parameters<PostgresChanges[Name]['run']>[1]
type Cases = { readonly [Name in PostgresChangeName]: readonly [Values<Name>, ...Values<Name>[]] }

export const step = <Name extends PostgresChangeName>(name: Name, values: Values<Name>): Step => ({
  name,
  values,
})

export const [a, b] = [parseRepositoryName('a'), parseRepositoryName('b')]
export const blob = digestOf('blob')
const tag = parseTag('t')
const record = (text: string): EncodedAuditRecord => JSON.stringify(text) as EncodedAuditRecord
const layer = { digest: blob, size: 4, kind: 'layer', required: true } as const
export const bytes = { kind: 'inline', bytes: Buffer.from('blob') } as const
/** Whatever was there before 1000 has outlived its grace period. */
export const sweep = { before: 1000, now: 1000, limit: 100, dryRun: false } as const
const [key, staged] = ['a'.repeat(32) as DataKey, 'b'.repeat(32) as DataKey]
const lease = { name: 'garbage', ttl: 60_000, now: 0 }
const holder = 'somebody'
const put = { digest: blob, size: 4, content: bytes, uploadId: undefined } as const
/** When the changes of a pair are made. What was there before is older than the grace period, or not. */
const now = 2000
const imagesAt = (time: number) => ({
  image: manifestOf(a, 'image', {
    references: [layer],
    tags: [tag],
    now: time,
    auditRecord: record('image'),
  }),
  other: manifestOf(a, 'other', {
    references: [layer],
    tags: [tag],
    now: time,
    auditRecord: record('other'),
  }),
  child: manifestOf(a, 'child', { references: [layer], now: time }),
  index: manifestOf(a, 'index', {
    references: [{ digest: digestOf('child'), size: 5, kind: 'manifest', required: true }],
    now: time,
  }),
  signature: manifestOf(a, 'signature', { subject: digestOf('image'), now: time }),
})
const [images, olds] = [imagesAt(now), imagesAt(2)]
const at = { repository: a, now }

function lines(after: ChainLink, rows: readonly OutboxEntry[]): NewLines {
  const texts = rows.map(({ auditRecord }) => auditRecord ?? 'counted')
  return {
    lines: texts,
    last: { seq: after.seq + texts.length, hash: `${texts.at(-1)}` },
    signed: `${texts.at(-1)}`,
  }
}
const removal = (after: ChainLink): NewLines => ({
  lines: ['removed'],
  last: { seq: after.seq + 1, hash: 'removed' },
  signed: 'removed',
})
const rotation = { rotateAfter: 3_600_000, forgetAfter: 3_600_000 }
const document = {
  kind: 'TrowPolicy',
  name: 'p',
  changedBy: 'x',
  most: { documents: 9, characters: 99 },
} as const

/** Values for every change. All are about one repository, one blob, one image, one upload, one of anything else. */
export const cases: Cases = {
  putBlob: [
    { ...put, ...at, auditRecord: record('blob') },
    { ...put, repository: b, now },
    { ...put, ...at, uploadId: 'u', auditRecord: record('closed') },
    { ...put, ...at, content: { kind: 'stored', key } },
    { ...put, ...at, policyGeneration: 1 },
  ],
  putWholeBlob: [{ ...put, ...at, uploadId: 'u', auditRecord: record('whole') }],
  mountBlob: [{ digest: blob, to: b, from: [a], now, auditRecord: record('mount') }],
  touchBlob: [{ digest: blob, repository: a, now }],
  unlinkBlob: [
    { digest: blob, ...at, auditRecord: record('unlink') },
    { digest: blob, repository: b, now },
  ],
  setTwin: [{ digest: blob, twin: digestOf('twin') }],
  putManifest: [
    ...(Object.values(images) as [typeof images.image]),
    manifestOf(a, 'image', { references: [layer], tags: [parseTag('u')], now }),
    manifestOf(a, 'sparse', { references: [layer], allowMissing: true, now }),
    manifestOf(b, 'image', { references: [layer], tags: [tag], now }),
    manifestOf(a, 'judged', { references: [layer], tags: [tag], now, policyGeneration: 1 }),
  ],
  deleteTag: [{ tag, ...at, auditRecord: record('untag') }],
  deleteManifest: [
    { digest: digestOf('image'), ...at, auditRecord: record('delete') },
    { digest: digestOf('child'), ...at },
  ],
  discardManifest: [{ digest: digestOf('image'), ...at }],
  createUpload: [{ id: 'new', algorithm: 'sha256', ...at }],
  saveUpload: [
    { id: 'u', content: { kind: 'staged', key: staged, size: 4 }, hashState: undefined, digest: undefined, cutFrom: undefined, now },
  ],
  cancelUpload: [{ id: 'u', repository: a, audited: { auditRecord: record('cancel'), now } }],
  claimUpload: [{ id: 'u', holder }],
  releaseUpload: [{ id: 'u', holder, fence: 1 }],
  releaseUploadsOf: [{ holder }],
  holdUploads: [{ holder }],
  flushPending: [{}],
  expireUploads: [sweep],
  expireUntagged: [{ ...sweep, repository: a }],
  unlinkUnreferenced: [sweep],
  markBlobs: [sweep],
  deleteMarked: [{ ...sweep, before: 2000 }],
  forgetHistory: [sweep],
  dropEmptyRepositories: [sweep],
  dropBlob: [{ digest: blob, content: bytes, now }],
  pendOrphans: [{ keys: [key] }],
  forgetPendingDeletes: [{ keys: [key] }],
  acquireLease: [{ ...lease, holder: 'one' }, { ...lease, holder: 'two' }],
  renewLease: [{ ...lease, holder: 'one' }],
  releaseLease: [{ name: 'garbage', holder: 'one' }],
  noteGarbage: [{ notes: { seenAt: 1 } }, { notes: { collectedAt: 2 }, lease: { name: 'garbage', holder: 'one' } }],
  markCommits: [
    { copies: [], known: undefined, fresh: { token: 'x', history: 'h' }, every: 0, now: 1 },
  ],
  noteMissing: [{ at: 1, count: 1, digests: [blob] }],
  meetProcesses: [{ id: 'one', name: 'x', settings: '{}' }],
  leaveProcesses: [{ id: 'one' }],
  noteLostCommits: [{ now: 1 }],
  probe: [{ now: 1 }],
  saveHead: [{ log: 'changes', head: 'x' }],
  saveAuditKey: [{ key: 'one' }, { key: 'two' }],
  recordChanges: [{ auditRecords: [record('one'), record('two')], now: 1 }],
  recordDenials: [{ auditRecords: [record('denied')], now: 1 }],
  recordUnrecorded: [{ kind: 'changes', count: 2, since: 1, until: 2 }],
  forgetRecorded: [{ kind: 'changes', upTo: 1 }],
  placeRecords: [{ kind: 'changes' }],
  extendAuditChain: [{ log: 'changes', limit: 10, segmentSize: 1, unsure: undefined, make: lines }],
  skipAuditLines: [{ log: 'changes', seq: 50, hash: 'skipped' }],
  claimAuditSegment: [{ log: 'changes' }],
  sealAuditSegment: [{ log: 'changes', first: 1, object: 'object', size: 9 }],
  pruneAuditChain: [{ log: 'changes', age: -1, bytes: 0, make: removal }],
  forgetAuditSegment: [{ log: 'changes', first: 1 }],
  addRobot: [
    { name: 'robot', description: undefined, secretHash: 'h', credentialId: 'c', grants: '[]', createdAt: 1, expiresAt: undefined, audited: { auditRecord: record('robot'), now: 1 } },
  ],
  removeRobot: [{ name: 'robot', audited: { auditRecord: record('no robot'), now: 2 } }],
  rotateSigningKey: [
    { key: { id: 'one', privateKey: 'key', createdAt: 1 }, ...rotation },
    { key: { id: 'two', privateKey: 'key', createdAt: 1 }, ...rotation },
  ],
  saveLoginSource: [{ name: 'x', network: 'n', seenAt: 5, most: 1, forgetBefore: 0 }, { name: 'x', network: 'm', seenAt: 6, most: 1, forgetBefore: 0 }],
  addLoginFailures: [{ more: [{ key: 'x', count: 1, drain: 0 }] }],
  clearLoginFailures: [{ key: 'x' }],
  bringPolicies: [
    { identity: 'one', isWhole: true, last: undefined, silence: 1e9, auditRecords: [], now: 1 },
    { identity: 'two', isWhole: true, last: undefined, silence: 1e9, auditRecords: [{ auditRecord: record('policies'), change: {} }], now: 1 },
  ],
  holdPolicies: [{ generation: 1 }],
  writePolicyDocument: [
    { ...document, content: { document: '{}', hash: 'one' }, from: undefined },
    { ...document, content: { document: '{"a":1}', hash: 'two' }, from: null },
    { ...document, content: undefined, from: 'one' },
  ],
} // prettier-ignore

const names = Object.keys(cases) as PostgresChangeName[]
export const everyStep: readonly Step[] = names.flatMap((name) =>
  cases[name].map((values) => ({ name, values })),
)

const putA = step('putBlob', { ...put, repository: a, now: 1 })
const unlinkA = step('unlinkBlob', { digest: blob, repository: a, now: 5 })
const deleted = step('deleteManifest', { digest: digestOf('image'), repository: a, now: 10 })
const upload = step('createUpload', { id: 'u', repository: a, algorithm: 'sha256', now: 4 })
const pushed = [putA, upload, step('putManifest', olds.image), step('putManifest', olds.child)]
const removed = [putA, step('putManifest', olds.image), deleted, unlinkA, upload]

/** What is there when a pair begins. */
export const worlds = {
  nothing: [],
  'a blob and an upload': [putA, upload, step('claimUpload', { id: 'u', holder })],
  images: [...pushed, step('putManifest', olds.index), step('putManifest', olds.signature)],
  'images of two repositories': [...pushed, step('mountBlob', { digest: blob, to: b, from: [a], now: 3 }), deleted, step('deleteManifest', { digest: digestOf('child'), repository: a, now: 11 })],
  'a blob without a link': [...removed, step('pendOrphans', { keys: [key] })],
  'a blob that is marked': [...removed, step('markBlobs', sweep)],
} satisfies Record<string, readonly Step[]> // prettier-ignore

const extend = step('extendAuditChain', cases.extendAuditChain[0])
const recorded = step('recordChanges', cases.recordChanges[0])

/** Changes that share something besides the content, and what is there when they begin. */
export const circles: Readonly<
  Record<string, { readonly names: readonly PostgresChangeName[]; readonly worlds: readonly (readonly Step[])[] }>
> = {
  leases: {
    names: [
      'acquireLease', 'renewLease', 'releaseLease', 'noteGarbage', 'markCommits', 'noteMissing', 'meetProcesses',
      'leaveProcesses', 'noteLostCommits', 'probe', 'flushPending',
    ],
    worlds: [[], [step('acquireLease', { ...lease, holder: 'one' })]],
  },
  records: {
    names: [
      'recordChanges', 'recordDenials', 'recordUnrecorded', 'forgetRecorded', 'placeRecords', 'extendAuditChain', 'skipAuditLines',
      'claimAuditSegment', 'sealAuditSegment', 'pruneAuditChain', 'forgetAuditSegment', 'saveHead', 'saveAuditKey', 'addRobot', 'deleteTag',
    ],
    worlds: [
      [recorded],
      [putA, step('putManifest', olds.image), recorded, extend, recorded, extend, recorded, step('placeRecords', { kind: 'changes' })],
      [recorded, extend, recorded, extend, step('sealAuditSegment', cases.sealAuditSegment[0]), recorded],
    ],
  },
  callers: {
    names: ['addRobot', 'removeRobot', 'rotateSigningKey', 'saveLoginSource', 'addLoginFailures', 'clearLoginFailures'],
    worlds: [[], [step('addRobot', cases.addRobot[0]), step('saveLoginSource', cases.saveLoginSource[0]), step('addLoginFailures', cases.addLoginFailures[0])]],
  },
  policies: {
    names: ['bringPolicies', 'holdPolicies', 'writePolicyDocument', 'putBlob', 'putManifest'],
    worlds: [[], [putA, step('bringPolicies', cases.bringPolicies[0]), step('writePolicyDocument', cases.writePolicyDocument[0])]],
  },
} // prettier-ignore

/** Changes of content and of uploads: each of them may meet each other in every world. */
export const ofContent: readonly PostgresChangeName[] = [
  'putBlob', 'putWholeBlob', 'mountBlob', 'touchBlob', 'unlinkBlob', 'setTwin', 'putManifest', 'deleteTag', 'deleteManifest',
  'discardManifest', 'createUpload', 'saveUpload', 'cancelUpload', 'claimUpload', 'releaseUpload', 'releaseUploadsOf', 'holdUploads',
  'expireUploads', 'expireUntagged', 'unlinkUnreferenced', 'markBlobs', 'deleteMarked', 'forgetHistory', 'dropEmptyRepositories',
  'dropBlob', 'pendOrphans', 'forgetPendingDeletes',
] // prettier-ignore
