import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { ReportRefused } from '../../admission/record-queue.ts'
import { factsPath, recordsPath } from '../../http/admission-routes.ts'
import { readLimited } from '../../limited-body.ts'

export interface RegistryClientParts {
  /** `https://trow.trow.svc`. */
  readonly url: string
  /** Files, read again every few seconds: the CA of the registry, and a token of the own account for it. */
  readonly authority: string
  readonly token: string
  /** Milliseconds of a clock that does not jump. */
  readonly now: () => number
}

interface Credentials {
  readonly agent: Agent
  readonly authority: string
  readonly token: string
  readonly readAt: number
}

/** Milliseconds. The kubelet replaces a token long before its end. */
const readEvery = 5000
const longestAnswer = 4 * 1024 * 1024

/** Asks the registry as the admission pods' own account, over TLS that its CA vouches for. */
export class RegistryClient {
  readonly #parts: RegistryClientParts
  #credentials: Credentials | undefined

  constructor(parts: RegistryClientParts) {
    this.#parts = parts
  }

  /** Rejects when there is no answer with 200. */
  async facts(
    question: { readonly repository: string; readonly reference: string },
    signal: AbortSignal,
  ): Promise<unknown> {
    const { status, body } = await this.#post(factsPath, question, signal)
    if (status !== 200) throw new Error(`the registry answers ${status}: ${body.slice(0, 500)}`)
    return JSON.parse(body)
  }

  /** Resolves when the records are durable. Rejects with ReportRefused where sending them again would change nothing. */
  async report(events: readonly object[], signal: AbortSignal): Promise<void> {
    const { status, body } = await this.#post(recordsPath, { events }, signal)
    if (status === 204) return
    const reason = `the registry answers ${status}: ${body.slice(0, 500)}`
    if (status === 400 || status === 413) throw new ReportRefused(reason)
    throw new Error(reason)
  }

  close(): void {
    this.#credentials?.agent.destroy()
  }

  async #post(
    path: string,
    value: object,
    signal: AbortSignal,
  ): Promise<{ readonly status: number; readonly body: string }> {
    const { agent, token } = this.#current()
    const body = JSON.stringify(value)
    const { url } = this.#parts
    return new Promise((resolve, reject) => {
      const sent = request(new URL(path, url), {
        method: 'POST',
        agent,
        signal,
        headers: {
          Authorization: `Bearer ${token}`,
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(body),
        },
      })
      sent.on('error', reject)
      sent.on('response', (response) => {
        readLimited(response, longestAnswer).then(
          (answer) => resolve({ status: response.statusCode ?? 0, body: answer.toString() }),
          reject,
        )
      })
      sent.end(body)
    })
  }

  /** Throws where a file cannot be read. */
  #current(): Credentials {
    const known = this.#credentials
    const { authority: authorityFile, token: tokenFile, now } = this.#parts
    if (known !== undefined && now() - known.readAt < readEvery) return known
    const authority = readFileSync(authorityFile, 'utf8')
    const token = readFileSync(tokenFile, 'utf8').trim()
    // Another CA needs other connections: those that are open were vouched for by the one before.
    const isSame = known?.authority === authority
    if (!isSame) known?.agent.destroy()
    const agent = isSame
      ? known.agent
      : new Agent({ ca: authority, keepAlive: true, maxSockets: 40, minVersion: 'TLSv1.2' })
    this.#credentials = { agent, authority, token, readAt: now() }
    return this.#credentials
  }
}
