import { createHash } from 'node:crypto'
import { request as ask } from 'node:http'
import { attachBodies, createBodies } from '../../src/serve/threads/body-places.ts'
import { PolicyGuard } from '../../src/enforcement/policy-guard.ts'
import type { AuditedAccess, AuditTrail } from '../../src/audit/trail.ts'
import { TrustedProxies } from '../../src/http/client-address.ts'
import { HttpListener } from '../../src/http/http-listener.ts'
import { RegistrySurface } from '../../src/http/registry-surface.ts'
import { openStores, quiet, type TestStores } from '../registry/stores.ts'
import { TestFeed } from './test-feed.ts'

export interface Answered {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  /** The code of the first error. */
  readonly code: string | undefined
  readonly message: string
}

/** What the audit received, in order. */
export class KeptTrail implements AuditTrail {
  readonly allowedOnes: AuditedAccess[] = []
  readonly deniedOnes: AuditedAccess[] = []
  readonly auditRecords: AuditedAccess[] = []

  allowed(access: AuditedAccess): void {
    this.allowedOnes.push(access)
  }

  denied(access: AuditedAccess): Promise<string | undefined> {
    this.deniedOnes.push(access)
    return Promise.resolve(access.requestId)
  }

  auditRecord(access: AuditedAccess): string {
    this.auditRecords.push(access)
    return JSON.stringify(access)
  }
}

/** Sends requests to a registry. */
export interface Sender {
  send(method: string, path: string, more?: Sent): Promise<Answered>
}

export interface GuardedRegistry extends Sender, AsyncDisposable {
  readonly stores: TestStores
  readonly feed: TestFeed
  readonly guard: PolicyGuard
  readonly trail: KeptTrail
}

export interface Sent {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
}

/** A registry that listens on a port, with policies that the test sets. */
export async function openGuarded({ audited = false, now = Date.now } = {}): Promise<GuardedRegistry> {
  const opened: { feed?: TestFeed; guard?: PolicyGuard } = {}
  const stores = await openStores({
    guardOf({ metadata, blobs }) {
      const feed = (opened.feed = new TestFeed(metadata, now))
      return (opened.guard = new PolicyGuard({ metadata, blobs, feed, now }))
    },
  })
  const { feed, guard } = opened as { feed: TestFeed; guard: PolicyGuard }
  await feed.announce(0)
  const trail = new KeptTrail()
  const bodies = attachBodies(createBodies({ 'manifest-limit': 4 * 1024 * 1024 }, 1).buffers, 0)
  const ok = { ok: true } as const
  const listener = new HttpListener({
    surface: new RegistrySurface({
      registry: stores.registry,
      bodies,
      health: { read: () => Promise.resolve(ok), write: () => ok, maintenance: () => ok },
      gate: { access: undefined, trail: audited ? trail : undefined },
      admission: undefined,
      audit: undefined,
      coverage: () => Promise.reject(new Error('nobody asks for it')),
      now,
    }),
    log: quiet,
    replies: bodies.replies,
    proxies: new TrustedProxies([]),
    hosts: undefined,
    idleTimeout: 10_000,
    tls: undefined,
    certificates: false,
    accessLog: undefined,
    idPrefix: 'test',
    now,
  })
  const address = await listener.listen({ host: '127.0.0.1', port: 0 })
  const port = address?.port ?? 0
  return {
    stores,
    feed,
    guard,
    trail,
    send: (method, path, sent) => send(port, method, path, sent),
    async [Symbol.asyncDispose]() {
      await listener.close(0)
      await stores.close()
    },
  }
}

export function send(
  port: number,
  method: string,
  path: string,
  { headers = {}, body }: Sent = {},
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
    const sent = ask(
      { host: '127.0.0.1', port, method, path, headers: { ...length, ...headers }, agent: false },
      (reply) => {
        const chunks: Buffer[] = []
        reply.on('data', (chunk: Buffer) => chunks.push(chunk))
        reply.on('error', reject)
        reply.on('end', () => {
          const text = Buffer.concat(chunks).toString('latin1')
          const { code, message = '' } = errorOf(text)
          resolve({ status: reply.statusCode ?? 0, headers: reply.headers, text, code, message })
        })
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

function errorOf(text: string): { readonly code?: string; readonly message?: string } {
  try {
    const { errors } = JSON.parse(Buffer.from(text, 'latin1').toString()) as {
      errors?: { code: string; message: string }[]
    }
    return errors?.[0] ?? {}
  } catch {
    return {}
  }
}

export function digestOf(content: Uint8Array | string, algorithm: 'sha256' | 'sha512' = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(content).digest('hex')}`
}
