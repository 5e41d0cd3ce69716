import type { Client } from './http-client.ts'
import { distanceText, monotonicNow, type CrashTime } from './crash-time.ts'
import { applyChange, sha256, type KnownManifest, type RepositoryModel } from './model.ts'

/**
 * Compares a repository with what was acknowledged. Returns a sentence for each broken promise, and each loss only once.
 * Decides the pending change by the server's state, which must contain all of the change or nothing of it.
 */
export async function verifyRepository(
  client: Client,
  model: RepositoryModel,
  crash: CrashTime | undefined,
): Promise<string[]> {
  const problems: string[] = []
  const distance = (key: string): string => distanceText(model.acknowledgedAt.get(key), crash)
  const change = model.pending
  model.pending = undefined
  if (change && (await happened(client, model, change, problems))) applyChange(model, change, monotonicNow())
  for (const [tag, digest] of model.tags) {
    const answer = await client.request('HEAD', `/v2/${model.name}/manifests/${tag}`)
    const found = answer.headers['docker-content-digest']
    if (answer.status !== 200 || found !== digest) {
      problems.push(
        `${model.name}:${tag} is ${answer.status} ${String(found)}, acknowledged ${digest}${distance(tag)}`,
      )
      if (answer.status === 200) model.tags.set(tag, String(found))
      else model.tags.delete(tag)
    }
  }
  await verifyTagList(client, model, problems)
  for (const [digest, manifest] of model.manifests) {
    const found: string[] = []
    await verifyManifest(client, model.name, digest, manifest, found)
    for (const problem of found) problems.push(`${problem}${distance(digest)}`)
    if (found.length > 0) model.manifests.delete(digest)
  }
  return problems
}

async function happened(
  client: Client,
  model: RepositoryModel,
  change: NonNullable<RepositoryModel['pending']>,
  problems: string[],
): Promise<boolean> {
  const head = async (reference: string): Promise<string | undefined> => {
    const answer = await client.request('HEAD', `/v2/${model.name}/manifests/${reference}`)
    return answer.status === 200 ? String(answer.headers['docker-content-digest']) : undefined
  }
  if (change.kind === 'delete-tag') return (await head(change.tag)) === undefined
  if (change.kind === 'delete-manifest') {
    const gone = (await head(change.digest)) === undefined
    for (const [tag, digest] of model.tags) {
      if (digest === change.digest && ((await head(tag)) === undefined) !== gone) {
        problems.push(`${model.name}: deletion of ${digest} is half visible at tag ${tag}`)
      }
    }
    return gone
  }
  const known = model.manifests.has(change.digest)
  const stored = (await head(change.digest)) !== undefined
  const moved = []
  for (const tag of change.tags) moved.push((await head(tag)) === change.digest)
  const before = change.tags.every((tag) => model.tags.get(tag) === change.digest)
  const all = stored && moved.every(Boolean)
  if (!all && !before && (moved.some(Boolean) || (stored && !known))) {
    problems.push(
      `${model.name}: push of ${change.digest} is half visible: stored ${stored}, tags ${moved.join()}`,
    )
  }
  return all
}

async function verifyTagList(client: Client, model: RepositoryModel, problems: string[]): Promise<void> {
  const answer = await client.request('GET', `/v2/${model.name}/tags/list`)
  // A repository that was lost has no tag list.
  const { tags = [] } = JSON.parse(answer.body.toString()) as { tags?: string[] }
  const expected = [...model.tags.keys()].sort()
  if (tags.join() !== expected.join()) {
    problems.push(`${model.name} lists ${tags.join()}, acknowledged ${expected.join()}`)
  }
}

async function verifyManifest(
  client: Client,
  repository: string,
  digest: string,
  manifest: KnownManifest,
  problems: string[],
): Promise<void> {
  const path = `/v2/${repository}/manifests/${digest}`
  if (!manifest.fresh) {
    const answer = await client.request('HEAD', path)
    if (answer.status !== 200) problems.push(`${repository}@${digest} is ${answer.status}`)
    return
  }
  const answer = await client.request('GET', path)
  if (answer.status !== 200 || sha256(answer.body) !== digest) {
    problems.push(`${repository}@${digest} is ${answer.status} with ${answer.body.length} bytes`)
    return
  }
  for (const blob of manifest.blobs) {
    const got = await client.request('GET', `/v2/${repository}/blobs/${blob}`)
    if (got.status !== 200 || sha256(got.body) !== blob) {
      problems.push(`${repository}@${digest}: blob ${blob} is ${got.status} with ${got.body.length} bytes`)
    }
  }
  if (manifest.subject) {
    const got = await client.request('GET', `/v2/${repository}/referrers/${manifest.subject}`)
    if (!got.body.includes(digest))
      problems.push(`${repository}: ${digest} is no referrer of ${manifest.subject}`)
  }
  manifest.fresh = false
}
