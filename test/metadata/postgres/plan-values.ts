import { randomUUID } from 'node:crypto'
import type { SqlValue, Values } from '../../../src/metadata/rules/bind.ts'
import { digestOf } from '../metadata-store-contract.ts'
import { bases, firstBaseOf, layerOf, many, repositoriesOf, type RegistrySize } from './large-registry.ts'

const manifest = (number: number): string => digestOf(`manifest ${number}`)
const [layer, base] = [digestOf('layer 500'), digestOf('base 0')]
const list = (items: readonly unknown[]): string => JSON.stringify(items)

/** Values with which each statement meets the largest repository, and most of what it is about. */
export function valuesFor(name: string, size: RegistrySize): Values {
  const [module = ''] = name.split('.')
  return { ...commonly(size), ...byModule(size)[module], ...byStatement(size)[name] }
}

function commonly({ manifests }: RegistrySize): Values {
  return {
    repository: 1,
    name: 'team/app1',
    digest: manifest(500),
    subject: manifest(10),
    manifest: 500,
    tag: 'v500',
    blob: 500,
    id: 'u500',
    holder: 'h500',
    limit: 100,
    after: '',
    afterId: 0,
    afterSince: -1,
    afterRepository: 0,
    afterManifest: 0,
    before: manifests,
    now: 5,
    since: 5,
    until: 5,
    kept: manifests,
    first: 1,
    end: 1000,
    size: 1000,
    to: manifests,
    moves: 100,
    log: 'changes',
    fence: null,
    ...fillers,
  }
}

/** What only is written. */
const fillers: Values = {
  network: '10.0.0.1', kind: 'layer', value: 'x', key: '0'.repeat(32), seenAt: 5, most: 10, createdAt: 1, forgetBefore: 0,
  followedBefore: 0, unlessNewerThan: 0, secretHash: 'x', credentialId: 'x', grants: '[]', privateKey: 'x', hash: 'x',
  seq: 1, openFirst: 1, openBytes: 1, openedAt: 1, lines: '["x"]', last: 19, bytes: null, object: 'x', state: 'closed',
  upTo: 0, ids: '{1,2,3}', placed: 0, pair: 'key1', source: 'key2', user: 'key3', more: '[{"key":"key1","count":1,"drain":1}]',
  document: '{}', changedBy: 'x', version: 1, identity: 'x', generation: 1, mediaType: 'x', artifactType: 'application/sig',
  firstSeen: 1, expires: 5, settings: '{}', atLatest: 0, note: 'x', facts: '{}', total: 1, algorithm: 'sha256', child: layer, required: 1, sequence: 1,
  body: new Uint8Array(1200),
} // prettier-ignore

function byModule(size: RegistrySize): Readonly<Record<string, Values>> {
  const ownLayer = layerOf(size, 500)
  return {
    blobs: { digest: layer, blob: ownLayer },
    garbage: { blob: ownLayer },
    history: { tag: 'w500', digest: digestOf('past 500'), list: list(['v500', 'v600']) },
    manifests: { list: list([manifest(500), manifest(600), layer, base]) },
  }
}

function byStatement(size: RegistrySize): Readonly<Record<string, Values>> {
  const { manifests } = size
  const firstBase = firstBaseOf(size)
  const [newBlob, newManifest] = [firstBase + bases + manifests, manifests + 1]
  const lastMove: SqlValue = Math.floor(manifests / 2) + many
  return {
    'blobs.anyParent': { digest: base },
    'blobs.anyLinkOf': { digest: base },
    'blobs.insertBlob': { digest: digestOf('new') },
    'blobs.insertBody': { blob: newBlob },
    'contents.namedAfter': { manifest: 20 },
    'contents.parentsAfter': { digest: base },
    'contents.parentsInWindow': { digest: base },
    'contents.twinOfBlob': { digest: layer },
    'contents.blobOfTwin': { digest: 'sha512:500' },
    'figures.blobFigures': { after: 0 },
    'garbage.leaseByName': { name: 'garbage' },
    'garbage.deleteRepository': { repository: repositoriesOf(size) + 1 },
    'history.forgetMoves': { id: lastMove, kept: 100 },
    'history.forgetPast': { tag: 'moved', id: lastMove },
    'history.keepMove': { past: 500 },
    'history.tagTargets': { tag: 'moved' },
    'manifests.insertBody': { manifest: newManifest },
    'manifests.insertManifest': { id: newManifest, digest: digestOf('new') },
    'manifests.insertReference': { manifest: newManifest },
    'manifests.insertReferences': { manifest: newManifest, list: list([[layer, 'layer', 1]]) },
    'tags.insertTag': { tag: 'new' },
    'manifests.firstChildrenOf': { manifest: 20 },
    'manifests.linkedBlob': { digest: base },
    'manifests.linkedAmong': { list: list([layer, base]) },
    'manifests.removeReferences': { list: list([layer, base]) },
    'manifests.removeTags': { list: list(['v500', 'v600']) },
    'manifests.setReferencedAmong': { list: list([String(layerOf(size, 500)), String(firstBase)]) },
    'tags.tagCountOf': { manifest: 10 },
    'tags.tagsOfAfter': { manifest: 10 },
    'postgres.attempts': { attempts: `{${Array.from({ length: 100 }, () => randomUUID()).join()}}` },
    'postgres.attempt': { attempt: randomUUID() },
    // Of a process that has looked since the last commit.
    'postgres.barrier': { asked: '9000000000:9000000000:' },
    'postgres.forgetBelow': { floor: '3' },
    'postgres.audit.lines': { after: 0 },
    'postgres.audit.sealedAfter': { after: 0 },
    'postgres.audit.insertLines': { log: 'denials', after: 0 },
    'postgres.audit.closeSegment': { log: 'denials', bytes: 1 },
    'postgres.audit.seal': { first: 10_000, bytes: 1 },
    'postgres.failures.clear': { key: 'key1' },
    'postgres.failures.look': { name: 'user1' },
    'postgres.policies.documents': { after: 0 },
    'postgres.release': { fence: 0 },
    'access.insertKey': { id: 'new' },
    'access.insertRobot': { name: 'new' },
    'access.deleteSurplusLoginSources': { name: 'user1' },
    'reads.auditRecordsAfter': { after: 0 },
    'reads.denialsAfter': { after: 0 },
    'reads.blobHolders': { digest: base },
    'reads.blobLink': { digest: base },
    'reads.linkedBlob': { digest: base },
    'reads.blobsAfter': { after: 0 },
    'reads.indexedAfter': { tag: 'everything', artifactType: null },
    'reads.manifestsAfter': { after: 0 },
    'reads.missingChildren': { manifest: 20 },
    'reads.storedBlobs': { after: 0 },
    'repositories.insertRepository': { name: 'team/new' },
    'settings.replaceSetting': { before: 'x' },
    'settings.removeSetting': { before: 'x' },
    'untagged.neededByManifest': { manifest: 20 },
    'untagged.untaggedByDigest': { digest: manifest(530) },
    'uploads.insertUpload': { id: 'new' },
  }
}
