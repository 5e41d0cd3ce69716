import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { policyPaths } from '../../src/policy-store/policy-edits.ts'
import type { PolicyStatus } from '../../src/policy-store/policy-status.ts'
import { send, type Answered, type Sender, type Sent } from '../enforcement/guarded-registry.ts'
import { startedServer, type ServerOptions, type ServerProcess } from '../support/server-process.ts'

/** A real server on a data folder and a folder of policies, both of which outlive it. */
export class PolicyServer implements Sender, AsyncDisposable {
  readonly root = mkdtempSync(join(tmpdir(), 'trow-policies-'))
  readonly data = join(this.root, 'data')
  readonly policies = join(this.root, 'policies')
  #server: ServerProcess | undefined

  constructor() {
    mkdirSync(this.policies)
  }

  get server(): ServerProcess {
    if (this.#server === undefined) throw new Error('it was not started')
    return this.#server
  }

  async start({ args = [], ...more }: Partial<ServerOptions> = {}): Promise<this> {
    const given = ['--policy-dir', this.policies, '--metrics-listen', '127.0.0.1:0', ...args]
    this.#server = await startedServer({ data: this.data, args: given, ...more })
    return this
  }

  async stop(): Promise<void> {
    await this.#server?.stop()
    this.#server = undefined
  }

  /** In one step, as programs do that know how. */
  write(file: string, documents: readonly unknown[] | string): void {
    const text =
      typeof documents === 'string'
        ? documents
        : documents.map((each) => JSON.stringify(each)).join('\n---\n')
    const part = join(this.root, 'part')
    writeFileSync(part, text)
    renameSync(part, join(this.policies, file))
  }

  remove(file: string): void {
    rmSync(join(this.policies, file))
  }

  send(method: string, path: string, more: Sent = {}): Promise<Answered> {
    return send(Number(new URL(this.server.url).port), method, path, more)
  }

  /** What the control socket answers. */
  ask(path: string, body?: unknown): Promise<{ readonly status: number; readonly answer: unknown }> {
    return new Promise((resolve, reject) => {
      const method = body === undefined ? 'GET' : 'POST'
      const sent = request({ socketPath: join(this.data, 'trow.sock'), method, path }, (reply) => {
        let text = ''
        reply.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        reply.on('error', reject)
        reply.on('end', () => {
          const isJson = reply.headers['content-type'] === 'application/json'
          resolve({ status: reply.statusCode ?? 0, answer: isJson ? JSON.parse(text) : text })
        })
      })
      sent.on('error', reject)
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  async status(): Promise<PolicyStatus> {
    const { answer } = await this.ask(policyPaths.status)
    return answer as PolicyStatus
  }

  /** One line of the metrics: `trow_policy_generation`. */
  async metric(name: string): Promise<number> {
    const address = /metrics on (http:\S+)/.exec(this.server.output())?.[1] ?? ''
    // One text is given to all within a second.
    await sleep(1100)
    const text = await (await fetch(address)).text()
    const line = text.split('\n').find((each) => each.startsWith(`${name} `))
    if (line === undefined) throw new Error(`there is no ${name} in\n${text}`)
    return Number(line.split(' ').at(-1))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    rmSync(this.root, { recursive: true, force: true })
  }
}

/** Resolves when it holds; throws after `limit` milliseconds. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  what: string,
  limit = 20_000,
): Promise<void> {
  for (const end = performance.now() + limit; !(await holds());) {
    if (performance.now() > end) throw new Error(`it did not come to hold: ${what}`)
    await sleep(10)
  }
}
