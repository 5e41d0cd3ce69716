import type { ClusterPresence } from '../cluster/presence.ts'
import { ClusterUnavailable } from '../cluster/reviews.ts'
import { inTime } from '../in-time.ts'
import type { Instant } from '../instant.ts'
import { answerFor, type Verified } from './authority.ts'
import { nodePrefix } from './certificates.ts'
import { ExpiringCache } from './expiring-cache.ts'
import type { Principal } from './principal.ts'
import { SingleFlight } from './single-flight.ts'

export interface NodeStandingParts {
  readonly presence: ClusterPresence
  /** Service accounts that certificates are issued to: `NAMESPACE:NAME`. */
  readonly agents: readonly string[]
  readonly now: () => Instant
}

interface KnownNode {
  /** Undefined: there is no such object. */
  readonly uid: string | undefined
  readonly confirmedAt: Instant
  /** Ask again then. */
  readonly until: Instant
}

/** Milliseconds that the last answer is used while the cluster does not answer: as for an allowed pull. */
const staleFor = 10 * 60_000
const askAgainAfter = 5000
/** Milliseconds that a known node waits for an answer. */
const patience = 1000
/** RFC 1123 subdomain, as names of Nodes are. */
const nodeName = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/

/**
 * Checks whether nodes that present a certificate still exist. A certificate is valid until it expires, a
 * kubelet's for a year; therefore the Node itself, and the service account that trow's CA issued the
 * certificate to, are looked up.
 */
export class NodeStandings {
  readonly #parts: NodeStandingParts
  readonly #known: ExpiringCache<KnownNode>
  readonly #flights = new SingleFlight<KnownNode>()

  constructor(parts: NodeStandingParts) {
    this.#parts = parts
    this.#known = new ExpiringCache({ capacity: 10_000, now: parts.now })
  }

  async verify(principal: Principal): Promise<Verified> {
    const { presence, agents, now } = this.#parts
    const name = principal.name.slice(nodePrefix.length)
    const { uid, account } = principal.node ?? {}
    if (!nodeName.test(name))
      return { ok: false, kind: 'refused', reason: 'no node has such a name', until: now() + answerFor }
    try {
      const node = await this.#look(`node ${name}`, () => presence.nodeUid(name))
      if (node.uid === undefined) return this.#refused(`node ${name} is not in the cluster`, node)
      if (uid !== undefined && uid !== node.uid)
        return this.#refused(`the certificate was issued for another node of the name ${name}`, node)
      if (account === undefined) return { ok: true, principal, until: node.until }
      const agent = `${account.namespace}:${account.name}`
      if (!agents.includes(agent)) return this.#refused(`${agent} is none of --node-agents`, node)
      const holder = await this.#look(`account ${agent}`, () =>
        presence.accountUid(account.namespace, account.name),
      )
      if (holder.uid !== account.uid)
        return this.#refused(`the service account ${agent} that it was issued to is gone`, holder)
      return { ok: true, principal, until: Math.min(node.until, holder.until) }
    } catch (error) {
      if (!(error instanceof ClusterUnavailable)) throw error
      const reason = 'the cluster, which knows this node, does not answer'
      return { ok: false, kind: 'unavailable', reason, retryAfter: 5, until: now() + 1000 }
    }
  }

  async #look(key: string, ask: () => Promise<string | undefined>): Promise<KnownNode> {
    const known = this.#known.get(key)
    if (known !== undefined && known.until > this.#parts.now()) return known
    const asked = this.#flights.run(key, () => this.#ask(key, known, ask))
    return known?.uid === undefined ? asked : this.#soon(key, known, asked)
  }

  /** The pending answer, or the last one if the cluster takes long to answer: a pull does not wait for it. */
  async #soon(key: string, known: KnownNode, asked: Promise<KnownNode>): Promise<KnownNode> {
    const answer = await inTime<KnownNode | undefined>(asked, AbortSignal.timeout(patience), () => undefined)
    if (answer !== undefined) return answer
    const { now } = this.#parts
    const last = { ...known, until: Math.min(now() + patience, known.confirmedAt + staleFor) }
    if (last.until <= now()) return asked
    if (this.#known.get(key) === known) this.#known.set(key, last, known.confirmedAt + staleFor)
    return last
  }

  async #ask(
    key: string,
    before: KnownNode | undefined,
    ask: () => Promise<string | undefined>,
  ): Promise<KnownNode> {
    const { now } = this.#parts
    // Age counts from the question: the object may be deleted while the answer is on its way.
    const askedAt = now()
    let uid: string | undefined
    try {
      uid = await ask()
    } catch (error) {
      if (!(error instanceof ClusterUnavailable) || before?.uid === undefined) throw error
      const next = { ...before, until: Math.min(now() + askAgainAfter, before.confirmedAt + staleFor) }
      if (next.until <= now()) throw error
      this.#known.set(key, next, before.confirmedAt + staleFor)
      return next
    }
    const known = { uid, confirmedAt: askedAt, until: askedAt + answerFor }
    this.#known.set(key, known, askedAt + staleFor)
    return known
  }

  #refused(reason: string, { until }: KnownNode): Verified {
    return { ok: false, kind: 'refused', reason, until }
  }
}
