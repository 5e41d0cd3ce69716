import { setTimeout as sleep } from 'node:timers/promises'
import { connectClient, Unanswered, type Answer, type Client } from '../../crash/http-client.ts'

/** What the clients of a fault run have met. */
export interface ClientCounts {
  requests: number
  /** Answers that ask to come again, by status. */
  readonly refusals: Map<number, number>
  /** Requests without a whole answer. */
  cut: number
  /** Answers marked as stale, which were asked for again. */
  stale: number
  /** Milliseconds until the request that took longest was answered, with all its attempts. */
  longest: number
  /** A sentence for each request that was not answered in `patience`, or by an error of the server. */
  readonly problems: string[]
}

/** Milliseconds for which a client repeats a request. */
const patience = 180_000
/** Of ten requests so many go to processes that are in order, as behind a load balancer that asks how they are. */
const careful = 0.9

/** The processes of a registry, as its clients find them. */
export class Doors {
  readonly counts: ClientCounts = {
    requests: 0,
    refusals: new Map(),
    cut: 0,
    stale: 0,
    longest: 0,
    problems: [],
  }
  readonly #clients: readonly Client[]
  readonly #random: () => number
  readonly #resting = new Set<number>()

  constructor(urls: readonly string[], random: () => number) {
    this.#clients = urls.map((url) => connectClient(url, 64))
    this.#random = random
  }

  /** A process that is known to be stopped or gone gets few requests. */
  rest(index: number, isResting: boolean): void {
    if (isResting) this.#resting.add(index)
    else this.#resting.delete(index)
  }

  /** A client that asks any process, and asks again until it has an answer. */
  client(): Client {
    return {
      request: (...asked) => this.#persist(...asked),
      deafen: () => {},
      close: () => {},
    }
  }

  /** A client of one process that asks it again until it has an answer. */
  clientOf(index: number): Client {
    const client = this.#clients[index]
    return {
      request: (...asked) => this.#persist(...asked, client),
      deafen: () => {},
      close: () => {},
    }
  }

  close(): void {
    for (const client of this.#clients) client.close()
  }

  async #persist(
    method: string,
    path: string,
    options?: Parameters<Client['request']>[2],
    only?: Client,
  ): Promise<Answer> {
    const began = performance.now()
    // A request to a session of an upload is repeated with the whole blob: how far it has come is not known.
    const isOfSession = /\/blobs\/uploads\/[^?]/.test(path)
    for (let attempts = 0; ; attempts++) {
      const answer = await this.#attempt(method, path, options, only)
      if (typeof answer !== 'string') {
        this.counts.longest = Math.max(this.counts.longest, performance.now() - began)
        // An attempt without an answer may have deleted it.
        return attempts > 0 && method === 'DELETE' && answer.status === 404
          ? { ...answer, status: 202 }
          : answer
      }
      if (isOfSession) throw new Unanswered(answer)
      if (performance.now() - began > patience) {
        this.counts.problems.push(`${method} ${path} has no answer for ${patience / 1000} s: ${answer}`)
        throw new Unanswered(answer)
      }
      await sleep(50 + this.#random() * Math.min(1000, 100 * 2 ** attempts))
    }
  }

  /** Resolves to why there is no answer that counts. */
  async #attempt(
    method: string,
    path: string,
    options?: Parameters<Client['request']>[2],
    only?: Client,
  ): Promise<Answer | string> {
    const { counts } = this
    counts.requests++
    try {
      const answer = await (only ?? this.#pick()).request(method, path, options)
      const { status, headers } = answer
      if (status >= 500) {
        counts.refusals.set(status, (counts.refusals.get(status) ?? 0) + 1)
        if (status !== 503)
          counts.problems.push(`${method} ${path} is ${status}: ${answer.body.toString().slice(0, 300)}`)
        return `${status} ${answer.body.toString().slice(0, 300)}`
      }
      if (headers['warning'] === undefined) return answer
      counts.stale++
      return 'it is stale'
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error
      counts.cut++
      return error.message
    }
  }

  #pick(): Client {
    const all = this.#clients.map((client, index) => ({ client, index }))
    const well = all.filter(({ index }) => !this.#resting.has(index))
    const some = well.length > 0 && this.#random() < careful ? well : all
    const chosen = some[Math.floor(this.#random() * some.length)]
    if (chosen === undefined) throw new Error('there is no process')
    return chosen.client
  }
}
