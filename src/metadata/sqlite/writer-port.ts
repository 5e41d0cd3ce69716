import type { MessagePort } from 'node:worker_threads'
import { ThreadChannel } from '../../messaging/thread-channel.ts'
import { OciError } from '../../oci/oci-error.ts'
import type { ChangeArguments, ChangeName, ChangeResult } from '../rules/changes.ts'
import type { SqliteWriter } from './sqlite-writer.ts'
import type { UploadClaims } from './upload-claims.ts'
import type { WriterChangeName } from './writer-changes.ts'
import type { UploadRunner } from './upload-runner.ts'

/** Calls that the writer answers for other threads. */
interface WriterSide {
  change(name: WriterChangeName, values: unknown): Promise<unknown>
  /** Resolves when the calling thread may write to the upload. */
  claim(upload: string): Promise<void>
  release(upload: string): void
  /** Resolves when every thread has sent the uploads that it held back and the writer has stored them. */
  flushPending(): Promise<void>
}

/** Calls that a thread answers for the writer. */
interface RunnerSide {
  /** Another request wants the upload. */
  onContested(upload: string): void
  /** Sends the uploads that the thread holds back; the answer arrives after them. */
  flushPending(): void
}

/** The writer's side of the ports: answers each thread until its port closes. */
export class WriterPorts {
  readonly #writer: SqliteWriter
  readonly #claims: UploadClaims
  readonly #openers = new Set<ThreadChannel<RunnerSide>>()

  constructor(writer: SqliteWriter, claims: UploadClaims) {
    this.#writer = writer
    this.#claims = claims
  }

  /**
   * A thread that opens no uploads holds nothing back. `flushPending` does not wait for it, since it may be
   * busy for long.
   */
  serve(port: MessagePort, { opensUploads }: { readonly opensUploads: boolean }): void {
    const writer = this.#writer
    const claims = this.#claims
    const local: WriterSide = {
      change: (name, values) => writer.run(name, values),
      claim: (upload) => claims.claim(upload, port, () => channel.tell('onContested', [upload])),
      release: (upload) => claims.release(upload, port),
      flushPending: () => this.#flushPending(),
    }
    const channel = new ThreadChannel<RunnerSide>(port, local)
    if (opensUploads) this.#openers.add(channel)
    channel.onEnd(() => {
      this.#openers.delete(channel)
      claims.releaseAll(port)
    })
  }

  async #flushPending(): Promise<void> {
    // A thread that ends meanwhile holds nothing back any more.
    await Promise.allSettled([...this.#openers].map((channel) => channel.call('flushPending')))
    await this.#writer.run('flushPending', {})
  }
}

/** Runs changes through a port to the thread that owns the writer. */
export class PortRunner implements UploadRunner {
  readonly #port: MessagePort
  readonly #channel: ThreadChannel<WriterSide>
  readonly #claims = new Map<string, () => void>()
  #flushPending: (() => void) | undefined

  constructor(port: MessagePort) {
    this.#port = port
    const local: RunnerSide = {
      onContested: (upload) => this.#claims.get(upload)?.(),
      flushPending: () => this.#flushPending?.(),
    }
    this.#channel = new ThreadChannel<WriterSide>(port, local, { ended: writerGone })
  }

  run<Name extends ChangeName>(name: Name, values: ChangeArguments<Name>): Promise<ChangeResult<Name>> {
    return this.#channel.call('change', name, alone(values)) as Promise<ChangeResult<Name>>
  }

  async setPolicyGeneration(generation: number): Promise<void> {
    await this.#channel.call('change', 'setPolicyGeneration', { generation })
  }

  async claim(upload: string, onContested: () => void): Promise<void> {
    await this.#channel.call('claim', upload)
    // Set before the next message is read: microtasks that await this call run first.
    this.#claims.set(upload, onContested)
  }

  release(upload: string): Promise<void> {
    this.#claims.delete(upload)
    this.#channel.tell('release', [upload])
    return Promise.resolve()
  }

  onFlushPending(flushPending: () => void): void {
    this.#flushPending = flushPending
  }

  flushPending(): Promise<void> {
    return this.#channel.call('flushPending')
  }

  reclaim(): Promise<number> {
    return this.#channel.call('change', 'reclaim', {}) as Promise<number>
  }

  close(): Promise<void> {
    // The close event comes later, or never in a thread that is ending.
    this.#channel.end()
    this.#port.close()
    return Promise.resolve()
  }
}

/**
 * Copies bytes that are a small part of their buffer, down to the second level (`content.bytes`). Posting a
 * view sends its whole buffer: for a small Buffer that is the 64 KiB pool it was cut from.
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
