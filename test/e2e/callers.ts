import { randomUUID } from 'node:crypto'
import { seed, sha256, type Received } from '../support/access-matrix.ts'
import { basic } from '../support/ways.ts'
import { Authority, type Pair } from '../support/certificate-authority.ts'
import { resign } from './cluster-access.ts'
import { subfolder } from './place.ts'
import type { ClusterRegistry } from './registry.ts'
import { bearer, type RegistryClient } from './registry-client.ts'

/** A caller that repeats one kind of request. */
export interface Caller {
  readonly name: string
  /** Statuses that are allowed while the API server is away. */
  readonly during: readonly number[]
  /** The status at other times. */
  readonly usual: number
  send(): Promise<Received>
}

/** Who somebody of the cluster's CA is. */
export function certificateOf(user: string, ...groups: readonly string[]): Promise<Pair> {
  return new Authority(subfolder('pki')).issue({ user, groups })
}

/** Makes one caller of each kind that depends on the API server, in namespace `team-a`, with the needed rights. */
export async function makeCallers(registry: ClusterRegistry): Promise<Caller[]> {
  const pusher = await registry.serviceAccount('team-a', 'pusher')
  const stranger = await registry.serviceAccount('team-a', 'stranger')
  await registry.bind('team-a', 'puller', '--group=system:nodes')
  await registry.bind('team-b', 'puller', '--group=system:unauthenticated')
  await registry.bind('team-a', 'pusher', '--serviceaccount=team-a:pusher', '--user=jane')
  await seed(registry.keeper, 'team-a/app')
  await seed(registry.keeper, 'team-b/app')
  const token = await registry.token(pusher)
  const strange = await registry.token(stranger)
  const anybody = registry.client()
  const kubelet = registry.client({ pair: await certificateOf('system:node:n1', 'system:nodes') })
  const jane = registry.client({ pair: await certificateOf('jane') })
  const pull = (who: RegistryClient, headers = {}, repository = 'team-a/app'): Promise<Received> =>
    who.get(`/v2/${repository}/tags/list`, headers)
  /** Pushes a whole blob each time, since there would be too many open uploads otherwise. */
  const push = (who: RegistryClient, headers = {}): Promise<Received> => {
    const body = randomUUID()
    const path = `/v2/team-a/app/blobs/uploads/?digest=${sha256(body)}`
    const type = { 'Content-Type': 'application/octet-stream' }
    return who.send({ method: 'POST', path, headers: { ...headers, ...type }, body })
  }
  const pullScope = 'repository:team-a/app:pull'
  const ofAccount = new KeptToken(() => anybody.token(pullScope, basic('x', token)))
  const ofKubelet = new KeptToken(() => kubelet.token(pullScope))
  const seen = { during: [200], usual: 200 }
  return [
    { name: 'kubelet certificate, pull', ...seen, send: () => pull(kubelet) },
    {
      name: 'its token of ours, pull',
      ...seen,
      send: async () => pull(anybody, bearer(await ofKubelet.current())),
    },
    { name: 'person certificate, pull', ...seen, send: () => pull(jane) },
    { name: 'person certificate, push', during: [503], usual: 201, send: () => push(jane) },
    {
      name: 'account token of ours, pull',
      ...seen,
      send: async () => pull(anybody, bearer(await ofAccount.current())),
    },
    {
      name: 'account Basic, pull',
      during: [200, 503],
      usual: 200,
      send: () => pull(anybody, { authorization: basic('x', token) }),
    },
    {
      name: 'account Basic, push',
      during: [503],
      usual: 201,
      send: () => push(anybody, { authorization: basic('x', token) }),
    },
    {
      name: 'account, a new token each time',
      during: [503],
      usual: 200,
      send: () => pull(anybody, bearer(resign(token, { jti: randomUUID() }))),
    },
    {
      name: 'account without rights, pull',
      during: [403, 503],
      usual: 403,
      send: () => pull(anybody, bearer(strange)),
    },
    { name: 'anonymous, pull', ...seen, send: () => pull(anybody, {}, 'team-b/app') },
    { name: 'htpasswd, pull', ...seen, send: () => pull(registry.keeper) },
    { name: 'htpasswd, push', during: [201], usual: 201, send: () => push(registry.keeper) },
  ]
}

/** A token as clients keep it: it is replaced in time, and used further while no new one can be fetched. */
class KeptToken {
  readonly #fetch: () => Promise<string>
  #token: string | undefined
  #fetchedAt = 0

  constructor(fetch: () => Promise<string>) {
    this.#fetch = fetch
  }

  async current(): Promise<string> {
    if (this.#token !== undefined && Date.now() < this.#fetchedAt + 60_000) return this.#token
    try {
      this.#token = await this.#fetch()
      this.#fetchedAt = Date.now()
    } catch (error) {
      if (this.#token === undefined) throw error
    }
    return this.#token
  }
}
