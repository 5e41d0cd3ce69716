import { Worker, type MessagePort, type Transferable } from 'node:worker_threads'
import { packError, unpackError, type PackedError } from './packed-error.ts'

/**
 * Carries the messages: a MessagePort, a Worker in the thread that started it, `parentPort` in the worker.
 */
export type Line = MessagePort | Worker

type Method = (...values: never[]) => unknown
type NamesOf<Side> = { [Name in keyof Side]: Side[Name] extends Method ? Name : never }[keyof Side] & string
type ValuesOf<Side, Name extends keyof Side> = Side[Name] extends (...values: infer Values) => unknown
  ? Values
  : never
type ResultOf<Side, Name extends keyof Side> = Side[Name] extends (...values: never[]) => infer Result
  ? Awaited<Result>
  : never

/** Id 0: no answer is expected. */
interface Call {
  readonly id: number
  readonly name: string
  readonly values: readonly unknown[]
}

type CallAnswer =
  { readonly id: number; readonly result: unknown } | { readonly id: number; readonly error: PackedError }

interface PendingCall {
  readonly resolve: (result: never) => void
  readonly reject: (error: unknown) => void
}

export interface ChannelOptions {
  /**
   * Makes the error that calls reject with once the other side has ended. `reason`: the error that ended it,
   * if known.
   */
  readonly ended?: (reason: unknown) => Error
}

/**
 * Lets two threads call each other's methods. `Remote` has the methods of the other side; values and results
 * are plain data, or can be transferred. Calls arrive in the order in which they were made. An error keeps
 * its class (`packed-error.ts`). Pending calls reject when the other side ends; later calls reject at once.
 */
export class ThreadChannel<Remote extends object> {
  readonly #line: Line
  readonly #local: Readonly<Record<string, Method>>
  readonly #endedError: (reason: unknown) => Error
  readonly #waiting = new Map<number, PendingCall>()
  readonly #onEnd: (() => void)[] = []
  #lastId = 0
  #end: { readonly reason: unknown } | undefined

  /** `local`: the methods of this side, own properties of a plain object. They may return promises. */
  constructor(line: Line, local: object = {}, options: ChannelOptions = {}) {
    this.#line = line
    this.#local = local as Readonly<Record<string, Method>>
    this.#endedError = options.ended ?? threadEnded
    const receive = (message: Call | CallAnswer): void => this.#receive(message)
    if (line instanceof Worker) {
      line.on('message', receive)
      line.on('error', (error) => this.end(error))
      line.on('exit', (code) => this.end(new Error(`a thread ended early, code ${code}`)))
      // A worker that has already ended emits no event.
      if (line.threadId === -1) this.end()
    } else {
      line.on('message', receive)
      line.on('close', () => this.end())
    }
  }

  call<Name extends NamesOf<Remote>>(
    name: Name,
    ...values: ValuesOf<Remote, Name>
  ): Promise<ResultOf<Remote, Name>> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) return reject(this.#endedError(this.#end.reason))
      const id = ++this.#lastId
      this.#waiting.set(id, { resolve, reject })
      this.#post({ id, name, values })
    })
  }

  /** Rejects when there is no answer within `limit` milliseconds. */
  async callWithin<Name extends NamesOf<Remote>>(
    limit: number,
    name: Name,
    ...values: ValuesOf<Remote, Name>
  ): Promise<ResultOf<Remote, Name>> {
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(new Error('the thread did not answer in time')), limit)
    try {
      return await Promise.race([this.call(name, ...values), late.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  /**
   * Calls a method without an answer: an error of the method is lost. Does nothing after the other side has
   * ended.
   */
  tell<Name extends NamesOf<Remote>>(
    name: Name,
    values: ValuesOf<Remote, Name>,
    transfer?: readonly Transferable[],
  ): void {
    if (this.#end === undefined) this.#post({ id: 0, name, values }, transfer)
  }

  /** True once the other side has ended, also while its `exit` event is still to come. */
  get isEnded(): boolean {
    return this.#end !== undefined
  }

  onEnd(listener: () => void): void {
    if (this.#end === undefined) this.#onEnd.push(listener)
    else listener()
  }

  /**
   * For a caller that knows of the end before its event: a thread that is ending itself may never receive the
   * event.
   */
  end(reason?: unknown): void {
    if (this.#end !== undefined) return
    this.#end = { reason }
    for (const { reject } of this.#waiting.values()) reject(this.#endedError(reason))
    this.#waiting.clear()
    for (const listener of this.#onEnd) listener()
  }

  #post(message: Call | CallAnswer, transfer?: readonly Transferable[]): void {
    // Both kinds of line accept these two arguments, but their types have no common signature.
    const line = this.#line as MessagePort
    if (transfer === undefined) line.postMessage(message)
    else line.postMessage(message, [...transfer])
  }

  #receive(message: Call | CallAnswer): void {
    if ('name' in message) return this.#run(message)
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if ('error' in message) waiting?.reject(unpackError(message.error))
    else waiting?.resolve(message.result as never)
  }

  #run({ id, name, values }: Call): void {
    let result: unknown
    try {
      const method = Object.hasOwn(this.#local, name) ? this.#local[name] : undefined
      if (method === undefined) throw new TypeError(`no such call: ${name}`)
      result = method(...(values as never[]))
    } catch (error) {
      return this.#fail(id, error)
    }
    if (result instanceof Promise) {
      result.then(
        (value) => this.#answer(id, value),
        (error: unknown) => this.#fail(id, error),
      )
    } else this.#answer(id, result)
  }

  #answer(id: number, result: unknown): void {
    if (id !== 0) this.#post({ id, result })
  }

  #fail(id: number, error: unknown): void {
    if (id !== 0) this.#post({ id, error: packError(error) })
  }
}

/**
 * The named methods of the other side as an object, for callers that use them through an interface of
 * promises.
 */
export function remoteMethods<Remote extends object, Name extends NamesOf<Remote>>(
  channel: ThreadChannel<Remote>,
  names: readonly Name[],
): Pick<Remote, Name> {
  const methods = names.map((name) => [
    name,
    (...values: ValuesOf<Remote, Name>) => channel.call(name, ...values),
  ])
  return Object.fromEntries(methods) as Pick<Remote, Name>
}

function threadEnded(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('the thread that answers has ended')
}
