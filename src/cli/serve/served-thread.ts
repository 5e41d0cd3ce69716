import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads'
import { UserError } from '../../user-error.ts'
import { ended, firstMessage, startThread } from './threads.ts'

/** What main tells a thread that answers others. */
export type ServedOrder =
  /** Somebody else who asks. */
  { readonly kind: 'attach'; readonly port: MessagePort } | { readonly kind: 'stop' }

export type ServedReport =
  | { readonly kind: 'ready' }
  /** It cannot start for a reason that the person at the terminal can act on. */
  | { readonly kind: 'failed'; readonly error: FailedStart }

export interface FailedStart {
  readonly code: string
  readonly message: string
  readonly hint: string | undefined
  readonly exitCode: number
}

/** Who asks for numbers is not kept waiting by a thread that is busy; milliseconds. */
const patience = 2000

/** For main, which makes an error of it again. */
export function failedStart(error: unknown): FailedStart {
  const { code, message, hint, exitCode } =
    error instanceof UserError
      ? error
      : new UserError('AUDIT_UNUSABLE', `the audit log cannot be opened: ${(error as Error).message}`, {
          hint: 'Check --audit-folder: this user must be able to write there.',
        })
  return { code, message, hint, exitCode }
}

/** A thread of which there is one, asked by all others over ports of their own; main's side of it. */
export class ServedThread {
  readonly ended: Promise<void>
  readonly #thread: Worker
  #lastId = 0

  private constructor(thread: Worker) {
    this.#thread = thread
    this.ended = ended(thread)
  }

  /** Resolves when it is ready; `failed` makes an error of what it says instead. */
  static async start(
    module: string,
    data: object,
    transfer: readonly MessagePort[],
    options: {
      readonly failed: (error: FailedStart) => Error
      readonly onError: (error: Error) => void
      readonly onMessage?: (message: unknown) => void
    },
  ): Promise<ServedThread> {
    const thread = startThread(module, data, transfer)
    thread.on('error', (error) => options.onError(error as Error))
    if (options.onMessage !== undefined) thread.on('message', options.onMessage)
    const report = await firstMessage(thread, (message: ServedReport) =>
      message.kind === 'ready' || message.kind === 'failed' ? message : undefined,
    )
    if (report.kind === 'failed') {
      await thread.terminate()
      throw options.failed(report.error)
    }
    return new ServedThread(thread)
  }

  /** A port for another thread to ask on. */
  attach(): MessagePort {
    const { port1, port2 } = new MessageChannel()
    this.#thread.postMessage({ kind: 'attach', port: port1 } satisfies ServedOrder, [port1])
    return port2
  }

  /** Undefined when the thread has ended, or does not answer in time. */
  async ask<Message, Answer>(
    kind: string,
    pick: (message: Message, id: number) => Answer | undefined,
  ): Promise<Answer | undefined> {
    const id = ++this.#lastId
    const answer = firstMessage(this.#thread, (message: Message) => pick(message, id), patience)
    this.#thread.postMessage({ kind, id })
    return answer.catch(() => undefined)
  }

  async stop(): Promise<void> {
    this.#thread.postMessage({ kind: 'stop' } satisfies ServedOrder)
    await this.ended
  }
}
