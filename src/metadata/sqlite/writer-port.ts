import type { MessagePort } from 'node:worker_threads'
import { OciError, type OciErrorCode } from '../../oci/oci-error.ts'
import type { ChangeArguments, ChangeName, ChangeResult, ChangeRunner } from '../rules/changes.ts'
import type { SqliteWriter } from './sqlite-writer.ts'
import type { UploadClaims } from './upload-claims.ts'
import type { WriterChangeName } from './writer-changes.ts'

type Request =
  | {
      readonly kind: 'change'
      readonly id: number
      readonly name: WriterChangeName
      readonly values: unknown
    }
  | { readonly kind: 'claim'; readonly id: number; readonly upload: string }
  | { readonly kind: 'release'; readonly upload: string }
  | { readonly kind: 'settle'; readonly id: number }
  | { readonly kind: 'told' }

type Reply =
  | { readonly kind: 'done'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly error: PlainError }
  | { readonly kind: 'let-go'; readonly upload: string }
  /** Ask for what is held back, then say `told`. */
  | { readonly kind: 'tell' }

interface PlainError {
  readonly message: string
  readonly stack: string | undefined
  readonly oci?: { readonly code: OciErrorCode; readonly detail: unknown }
}

/** The writer's side of the ports: answers each other thread until its port closes. */
export class WriterPorts {
  readonly #writer: SqliteWriter
  readonly #claims: UploadClaims
  /** Those who wait for each thread that opens uploads to have told what it held back. */
  readonly #ports = new Map<MessagePort, (() => void)[]>()

  constructor(writer: SqliteWriter, claims: UploadClaims) {
    this.#writer = writer
    this.#claims = claims
  }

  /** A thread that opens no uploads holds nothing back: it may be busy for long, and is never waited for. */
  serve(port: MessagePort, { opensUploads }: { readonly opensUploads: boolean }): void {
    if (opensUploads) this.#ports.set(port, [])
    servePort(port, { writer: this.#writer, claims: this.#claims, settle: () => this.#settle() }, () =>
      this.#ports.get(port)?.shift()?.(),
    )
    port.on('close', () => {
      const waiting = this.#ports.get(port) ?? []
      this.#ports.delete(port)
      for (const told of waiting) told()
    })
  }

  async #settle(): Promise<void> {
    await Promise.all(
      [...this.#ports].map(
        ([port, waiting]) =>
          new Promise<void>((told) => {
            waiting.push(told)
            port.postMessage({ kind: 'tell' } satisfies Reply)
          }),
      ),
    )
    await this.#writer.run('settle', {})
  }
}

function servePort(
  port: MessagePort,
  {
    writer,
    claims,
    settle: settleAll,
  }: {
    readonly writer: SqliteWriter
    readonly claims: UploadClaims
    readonly settle: () => Promise<void>
  },
  told: () => void,
): void {
  const send = (reply: Reply): void => port.postMessage(reply)
  const settle = (id: number, work: Promise<unknown>): void => {
    work.then(
      (result) => send({ kind: 'done', id, result }),
      (error: unknown) => send({ kind: 'failed', id, error: toPlain(error) }),
    )
  }
  port.on('message', (request: Request) => {
    switch (request.kind) {
      case 'change':
        return settle(request.id, writer.run(request.name, request.values))
      case 'claim': {
        const { upload } = request
        return settle(
          request.id,
          claims.claim(upload, port, () => send({ kind: 'let-go', upload })),
        )
      }
      case 'release':
        return claims.release(request.upload, port)
      case 'settle':
        return settle(request.id, settleAll())
      case 'told':
        return told()
    }
  })
  port.on('close', () => claims.releaseAll(port))
}

/** Runs changes through a port, in the thread that owns the writer. */
export class PortRunner implements ChangeRunner {
  readonly #port: MessagePort
  readonly #open = new Map<number, { resolve: (result: never) => void; reject: (error: unknown) => void }>()
  readonly #claims = new Map<string, () => void>()
  #tell: (() => void) | undefined
  #lastId = 0
  #gone = false

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', (reply: Reply) => this.#receive(reply))
    port.on('close', () => this.#end())
  }

  run<Name extends ChangeName>(name: Name, values: ChangeArguments<Name>): Promise<ChangeResult<Name>> {
    return this.#ask((id) => ({ kind: 'change', id, name, values: alone(values) }))
  }

  async claim(upload: string, letGo: () => void): Promise<void> {
    await this.#ask<void>(
      (id) => ({ kind: 'claim', id, upload }),
      () => this.#claims.set(upload, letGo),
    )
  }

  release(upload: string): Promise<void> {
    this.#claims.delete(upload)
    this.#port.postMessage({ kind: 'release', upload } satisfies Request)
    return Promise.resolve()
  }

  onSettle(tell: () => void): void {
    this.#tell = tell
  }

  settle(): Promise<void> {
    return this.#ask((id) => ({ kind: 'settle', id }))
  }

  reclaim(): Promise<number> {
    return this.#ask((id) => ({ kind: 'change', id, name: 'reclaim', values: {} }))
  }

  close(): Promise<void> {
    // Its event comes later, or never in a thread that ends now.
    this.#end()
    this.#port.close()
    return Promise.resolve()
  }

  #ask<Result>(request: (id: number) => Request, done?: () => void): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#gone) return reject(writerGone())
      const id = ++this.#lastId
      this.#open.set(id, {
        resolve: (result) => {
          done?.()
          resolve(result)
        },
        reject,
      })
      this.#port.postMessage(request(id))
    })
  }

  #end(): void {
    this.#gone = true
    for (const { reject } of this.#open.values()) reject(writerGone())
    this.#open.clear()
  }

  #receive(reply: Reply): void {
    if (reply.kind === 'let-go') {
      this.#claims.get(reply.upload)?.()
      return
    }
    if (reply.kind === 'tell') {
      this.#tell?.()
      this.#port.postMessage({ kind: 'told' } satisfies Request)
      return
    }
    const waiting = this.#open.get(reply.id)
    this.#open.delete(reply.id)
    if (reply.kind === 'done') waiting?.resolve(reply.result as never)
    else waiting?.reject(fromPlain(reply.error))
  }
}

/**
 * Bytes with a buffer of their own, down to the second level (`content.bytes`). A view is sent with all that its
 * buffer holds: of a small Buffer that is the whole 64 KiB slab it was cut from.
 */
function alone(values: unknown, depth = 2): unknown {
  if (values instanceof Uint8Array) {
    return values.byteLength * 2 < values.buffer.byteLength ? new Uint8Array(values) : values
  }
  if (depth === 0 || typeof values !== 'object' || values === null || Array.isArray(values)) return values
  const copy: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(values)) copy[name] = alone(value, depth - 1)
  return copy
}

function writerGone(): Error {
  return new OciError('UNAVAILABLE', 'the registry cannot store anything now', {
    detail: 'its writer has ended; try again in a moment',
  })
}

function toPlain(error: unknown): PlainError {
  const { message, stack } = error instanceof Error ? error : new Error(String(error))
  return error instanceof OciError
    ? { message, stack, oci: { code: error.code, detail: error.detail } }
    : { message, stack }
}

function fromPlain(plain: PlainError): Error {
  const error =
    plain.oci === undefined
      ? new Error(plain.message)
      : new OciError(plain.oci.code, plain.message, { detail: plain.oci.detail })
  if (plain.stack !== undefined) error.stack = plain.stack
  return error
}
