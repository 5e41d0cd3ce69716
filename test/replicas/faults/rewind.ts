import type { Client } from '../../crash/http-client.ts'
import { applyChange, type AcknowledgedChange, type RepositoryModel } from '../../crash/model.ts'

/** When the primary was ended, and when the standby had taken its place; as in CrashTime. */
export interface Promotion {
  readonly endedAt: number
  readonly promotedAt: number
}

/** What was acknowledged when the standby is known to have had all of it. */
export interface Known {
  readonly model: RepositoryModel
  readonly base: Pick<RepositoryModel, 'manifests' | 'tags'>
}

export function remember(model: RepositoryModel): Known {
  model.journal = []
  return { model, base: { manifests: structuredClone(model.manifests), tags: new Map(model.tags) } }
}

/**
 * Brings the model to what the registry shows after a promotion. That must be what was acknowledged up to some
 * instant between `remember` and the end of the primary, and all that was acknowledged after the promotion.
 * Resolves to the number of acknowledged changes that the standby lacked, or to what is wrong.
 */
export async function rewind(
  client: Client,
  { model, base }: Known,
  { endedAt, promotedAt }: Promotion,
): Promise<number | string> {
  const journal = model.journal ?? []
  model.journal = model.pending = undefined
  const seen = await look(client, model.name, [
    ...base.manifests.keys(),
    ...journal.flatMap(({ change }) => (change.kind === 'put' ? [change.digest] : [])),
  ])
  const before = journal.filter(({ at }) => at < endedAt).length
  const most = journal.filter(({ at }) => at < promotedAt).length
  // A change that was answered between the two was committed by the one or by the other.
  for (let split = most; split >= before; split--) {
    for (let kept = split; kept >= 0; kept--) {
      const state = stateOf(model.name, base, [...journal.slice(0, kept), ...journal.slice(split)])
      if (print(state.tags, state.manifests.keys()) !== print(seen.tags, seen.manifests)) continue
      replace(model, state)
      return split - kept
    }
  }
  const last = stateOf(model.name, base, journal)
  replace(model, stateOf(model.name, base, []))
  return [
    `${model.name}: after a promotion it is none of its earlier states (${journal.length} changes, ${before} before the end)`,
    `shows ${print(seen.tags, seen.manifests)}`,
    `acknowledged ${print(last.tags, last.manifests.keys())}`,
  ].join('\n    ')
}

async function look(
  client: Client,
  name: string,
  digests: readonly string[],
): Promise<{ readonly tags: ReadonlyMap<string, string>; readonly manifests: readonly string[] }> {
  const list = await client.request('GET', `/v2/${name}/tags/list`)
  const { tags = [] } = JSON.parse(list.body.toString()) as { readonly tags?: readonly string[] }
  const targets = new Map<string, string>()
  for (const tag of tags) {
    const { headers } = await client.request('HEAD', `/v2/${name}/manifests/${tag}`)
    targets.set(tag, String(headers['docker-content-digest']))
  }
  const manifests = []
  for (const digest of new Set(digests))
    if ((await client.request('HEAD', `/v2/${name}/manifests/${digest}`)).status === 200)
      manifests.push(digest)
  return { tags: targets, manifests }
}

function stateOf(
  name: string,
  base: Known['base'],
  changes: readonly AcknowledgedChange[],
): Pick<RepositoryModel, 'manifests' | 'tags' | 'acknowledgedAt'> {
  const state: RepositoryModel = {
    name,
    manifests: new Map(base.manifests),
    tags: new Map(base.tags),
    acknowledgedAt: new Map(),
    pending: undefined,
  }
  for (const { change, at } of changes) applyChange(state, change, at)
  return state
}

function replace(
  model: RepositoryModel,
  state: Pick<RepositoryModel, 'manifests' | 'tags' | 'acknowledgedAt'>,
): void {
  for (const name of ['manifests', 'tags', 'acknowledgedAt'] as const) {
    const [own, other] = [model[name] as Map<string, unknown>, state[name]]
    own.clear()
    for (const [key, value] of other) own.set(key, value)
  }
}

function print(tags: ReadonlyMap<string, string>, manifests: Iterable<string>): string {
  const pairs = [...tags].map(([tag, digest]) => `${tag}=${digest.slice(7, 15)}`).sort()
  const digests = [...manifests].map((digest) => digest.slice(7, 15)).sort()
  return `${pairs.join(' ')} | ${digests.join(' ')}`
}
