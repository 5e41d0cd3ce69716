import { request as ask } from 'node:http'
import { AdmissionJudge, type ContentSource } from '../../src/admission/admission-judge.ts'
import type { BreakGlass } from '../../src/admission/break-glass.ts'
import type { AdmissionRecord } from '../../src/admission/admission-records.ts'
import { AdmissionSurface } from '../../src/admission/admission-surface.ts'
import { PolicyReviews, type PolicyChangeSeen } from '../../src/admission/policy-review.ts'
import { ReviewReader } from '../../src/admission/review-reader.ts'
import { ReviewRoom } from '../../src/admission/review-room.ts'
import type { TenantRights } from '../../src/admission/tenant-rights.ts'
import { PolicyCounters } from '../../src/enforcement/policy-counters.ts'
import type { PoliciesOfNow } from '../../src/enforcement/policy-feed.ts'
import { TrustedProxies } from '../../src/http/client-address.ts'
import { HttpListener } from '../../src/http/http-listener.ts'
import type { TlsPair } from '../../src/http/tls-context.ts'
import type { PolicySet } from '../../src/policy/policy-set.ts'
import { loading, makeSet, now } from '../policy/fixtures.ts'
import { quiet } from '../registry/stores.ts'

export interface Admitted {
  readonly status: number
  readonly text: string
  readonly uid: string
  readonly isAllowed: boolean
  readonly message: string
  readonly warnings: readonly string[]
  readonly annotations: Readonly<Record<string, string>>
}

export interface AdmissionServer extends AsyncDisposable {
  readonly records: AdmissionRecord[]
  readonly changes: PolicyChangeSeen[]
  readonly counters: PolicyCounters
  readonly room: ReviewRoom
  readonly port: number
  set(documents: readonly unknown[]): void
  use(set: PolicySet): void
  /** `body`: whole, or what is sent of it in turn. */
  send(path: string, body: string | Buffer | AsyncIterable<Buffer>): Promise<Admitted>
}

export interface Given {
  readonly documents?: readonly unknown[]
  readonly content?: ContentSource
  readonly tenants?: TenantRights
  readonly clock?: { now: number }
  readonly breakGlass?: () => BreakGlass | undefined
  /** Bytes. */
  readonly room?: number
  /** Whether policies were read. */
  readonly isSynced?: boolean
  /** Undefined: plain HTTP. */
  readonly tls?: TlsPair
}

const nothing: ContentSource = { of: () => Promise.resolve({ kind: 'failed', reason: 'FACT_UPSTREAM' }) }

/** The admission surface on a port of 127.0.0.1, as the API server meets it. */
export async function openAdmission({
  documents = [],
  content = nothing,
  tenants,
  clock = { now },
  breakGlass = () => undefined,
  room: bytes = 64 * 1024 * 1024,
  isSynced = true,
  tls,
}: Given = {}): Promise<AdmissionServer> {
  const feed: { current: PoliciesOfNow | undefined } = {
    current: isSynced ? { set: makeSet(documents), generation: 1, registryGeneration: 1 } : undefined,
  }
  const records: AdmissionRecord[] = []
  const changes: PolicyChangeSeen[] = []
  const counters = new PolicyCounters()
  const reader = new ReviewReader()
  const room = new ReviewRoom(bytes)
  let lastId = 0
  const listener = new HttpListener({
    surface: new AdmissionSurface({
      judge: new AdmissionJudge({
        feed,
        content,
        tenants,
        counters,
        breakGlass,
        records: { record: (record) => Promise.resolve(void records.push(record)) },
        now: () => clock.now,
        newId: () => `id-${++lastId}`,
      }),
      policies: new PolicyReviews({
        settings: () => loading,
        changed: (change) => Promise.resolve(void changes.push(change)),
      }),
      reader,
      room,
      log: quiet,
      measured: () => undefined,
      notReady: () => (feed.current === undefined ? 'the policies have not been read yet' : undefined),
    }),
    log: quiet,
    replies: undefined,
    proxies: new TrustedProxies([]),
    hosts: undefined,
    idleTimeout: 10_000,
    tls,
    certificates: false,
    accessLog: undefined,
    idPrefix: 'test',
    now: Date.now,
  })
  const use = (set: PolicySet): void => {
    const generation = (feed.current?.generation ?? 0) + 1
    feed.current = { set, generation, registryGeneration: generation }
  }
  const port = (await listener.listen({ host: '127.0.0.1', port: 0 }))?.port ?? 0
  return {
    records,
    changes,
    counters,
    room,
    port,
    set: (given) => use(makeSet(given)),
    use,
    send: (path, body) => send(port, path, body),
    async [Symbol.asyncDispose]() {
      await listener.close(0)
      reader.close()
    },
  }
}

function send(port: number, path: string, body: string | Buffer | AsyncIterable<Buffer>): Promise<Admitted> {
  return new Promise((resolve, reject) => {
    const sent = ask({ host: '127.0.0.1', port, method: 'POST', path, agent: false }, (reply) => {
      const chunks: Buffer[] = []
      reply.on('data', (chunk: Buffer) => chunks.push(chunk))
      reply.on('error', reject)
      reply.on('end', () => resolve(admitted(reply.statusCode ?? 0, Buffer.concat(chunks).toString())))
    })
    sent.on('error', reject)
    if (typeof body === 'string' || Buffer.isBuffer(body)) sent.end(body)
    else void sendInTurn(sent, body)
  })
}

async function sendInTurn(sent: ReturnType<typeof ask>, body: AsyncIterable<Buffer>): Promise<void> {
  for await (const chunk of body) sent.write(chunk)
  sent.end()
}

function admitted(status: number, text: string): Admitted {
  const { response } = JSON.parse(text) as {
    response: {
      uid: string
      allowed: boolean
      status?: { message: string }
      warnings?: string[]
      auditAnnotations?: Record<string, string>
    }
  }
  return {
    status,
    text,
    uid: response.uid,
    isAllowed: response.allowed,
    message: response.status?.message ?? '',
    warnings: response.warnings ?? [],
    annotations: response.auditAnnotations ?? {},
  }
}
