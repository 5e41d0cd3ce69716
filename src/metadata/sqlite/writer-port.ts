import type { MessagePort } from 'node:worker_threads'
import { ThreadChannel } from '../../messaging/thread-channel.ts'
import { OciError } from '../../oci/oci-error.ts'
import type { ChangeArguments, ChangeName, ChangeResult, ChangeRunner } from '../rules/changes.ts'
import type { SqliteWriter } from './sqlite-writer.ts'
import type { UploadClaims } from './upload-claims.ts'
import type { WriterChangeName } from './writer-changes.ts'

/** What the writer answers the other threads. */
interface WriterSide {
  change(name: WriterChangeName, values: unknown): Promise<unknown>
  /** Resolves when the upload is this thread's to write to. */
  claim(upload: string): Promise<void>
  release(upload: string): void
  /** Resolves when every thread has told what it held back, and that is known. */
  settle(): Promise<void>
}

/** What a thread answers the writer. */
interface RunnerSide {
  /** Another thread wants the upload. */
  letGo(upload: string): void
  /** To ask for what is held back; the answer follows what was asked. */
  tell(): void
}

/** The writer's side of the ports: answers each other thread until its port closes. */
export class WriterPorts {
  readonly #writer: SqliteWriter
  readonly #claims: UploadClaims
  readonly #openers = new Set<ThreadChannel<RunnerSide>>()

  constructor(writer: SqliteWriter, claims: UploadClaims) {
    this.#writer = writer
    this.#claims = claims
  }

  /** A thread that opens no uploads holds nothing back: it may be busy for long, and is never waited for. */
  serve(port: MessagePort, { opensUploads }: { readonly opensUploads: boolean }): void {
    const writer = this.#writer
    const claims = this.#claims
    const local: WriterSide = {
      change: (name, values) => writer.run(name, values),
      claim: (upload) => claims.claim(upload, port, () => channel.tell('letGo', [upload])),
      release: (upload) => claims.release(upload, port),
      settle: () => this.#settle(),
    }
    const channel = new ThreadChannel<RunnerSide>(port, local)
    if (opensUploads) this.#openers.add(channel)
    channel.onEnd(() => {
      this.#openers.delete(channel)
      claims.releaseAll(port)
    })
  }

  async #settle(): Promise<void> {
    // One that ends meanwhile holds nothing back any more.
    await Promise.allSettled([...this.#openers].map((channel) => channel.call('tell')))
    await this.#writer.run('settle', {})
  }
}

/** Runs changes through a port, in the thread that owns the writer. */
export class PortRunner implements ChangeRunner {
  readonly #port: MessagePort
  readonly #channel: ThreadChannel<WriterSide>
  readonly #claims = new Map<string, () => void>()
  #tell: (() => void) | undefined

  constructor(port: MessagePort) {
    this.#port = port
    const local: RunnerSide = {
      letGo: (upload) => this.#claims.get(upload)?.(),
      tell: () => this.#tell?.(),
    }
    this.#channel = new ThreadChannel<WriterSide>(port, local, { ended: writerGone })
  }

  run<Name extends ChangeName>(name: Name, values: ChangeArguments<Name>): Promise<ChangeResult<Name>> {
    return this.#channel.call('change', name, alone(values)) as Promise<ChangeResult<Name>>
  }

  async claim(upload: string, letGo: () => void): Promise<void> {
    await this.#channel.call('claim', upload)
    // Before the next message is read: the thread runs what waits for one first.
    this.#claims.set(upload, letGo)
  }

  release(upload: string): Promise<void> {
    this.#claims.delete(upload)
    this.#channel.tell('release', [upload])
    return Promise.resolve()
  }

  onSettle(tell: () => void): void {
    this.#tell = tell
  }

  settle(): Promise<void> {
    return this.#channel.call('settle')
  }

  reclaim(): Promise<number> {
    return this.#channel.call('change', 'reclaim', {}) as Promise<number>
  }

  close(): Promise<void> {
    // Its event comes later, or never in a thread that ends now.
    this.#channel.end()
    this.#port.close()
    return Promise.resolve()
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
