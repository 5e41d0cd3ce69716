import type { ByteSource } from '../blobs/blob-store.ts'
import type { BodyBudget, BodyOwner, OpenBody } from './body-budget.ts'
import type { ServerRequest } from './server-request.ts'
import { isStreamBody, type Reply, type StreamBody } from './reply.ts'

/** Bytes. Replies up to this size are sent uncounted, so that frequent pulls have no extra cost. */
const uncounted = 64 * 1024
/** Bytes of a counted reply that Node receives at a time: with TLS, Node keeps a copy of them. */
const slice = 64 * 1024

/** The owner of a reply, and how to make the reply again or cut it off. */
export interface ReplyMaker {
  readonly owner: BodyOwner
  /** Makes the same reply again. */
  again(): Reply | Promise<Reply>
  /** Closes the connection that the reply is sent to. */
  cut(): void
}

/**
 * The large replies that this thread is sending, within a budget that all threads share. A reply that finds
 * no room is dropped from memory and made again once there is room. Replies with the same content
 * (`Reply.digest`) share one copy. While a reply waits, the body that is sent slowest is ended by closing the
 * connections that read it.
 */
export class ReplyBodies {
  readonly #budget: BodyBudget
  readonly #sent = new Map<string, HeldBody>()
  /** Waiting replies by digest: another reply with the same content may find room first. */
  readonly #waiting = new Map<string, Set<(held: HeldBody) => void>>()

  constructor(budget: BodyBudget) {
    this.#budget = budget
  }

  /** The owner in whose share a reply to this request counts. */
  ownerOf(request: ServerRequest): BodyOwner {
    return this.#budget.ownerOf(request.caller?.principal, request.presented.address)
  }

  static isLarge(reply: Reply): boolean {
    return reply.body !== undefined && bytesOf(reply.body) > uncounted
  }

  /**
   * The reply to send, for one that `isLarge`. Rejects after 10 s with OciError UNAVAILABLE if there is no
   * room, with TOOMANYREQUESTS if the owner's share is used up.
   */
  hold(reply: Reply, maker: ReplyMaker): Reply | Promise<Reply> {
    const { body } = reply
    if (body === undefined) return reply
    const shared = reply.digest === undefined ? undefined : this.#sent.get(reply.digest)
    if (shared !== undefined) return shared.reply(reply, maker)
    const size = bytesOf(body)
    const claim = this.#claim(maker.owner, size)
    if (!(claim instanceof Promise)) return this.#send(reply, claim, maker)
    if (isStreamBody(body)) body.close()
    reply.body = undefined
    return this.#later(reply, { claim, size }, maker)
  }

  async #later(
    reply: Reply,
    { claim, size }: { readonly claim: Promise<OpenBody>; readonly size: number },
    maker: ReplyMaker,
  ): Promise<Reply> {
    const room = await this.#roomOrContent(claim, reply.digest)
    if (room instanceof HeldBody) {
      void claim.then((open) => open.release()).catch(() => undefined)
      return room.isOver ? this.#anew(await maker.again(), maker) : room.reply(reply, maker)
    }
    let made: Reply
    try {
      made = await maker.again()
    } catch (error) {
      room.release()
      throw error
    }
    const shared = made.digest === undefined ? undefined : this.#sent.get(made.digest)
    if (shared === undefined && ReplyBodies.isLarge(made) && bytesOf(made.body) <= size)
      return this.#send(made, room, maker)
    room.release()
    return this.#anew(made, maker)
  }

  #anew(reply: Reply, maker: ReplyMaker): Reply | Promise<Reply> {
    return ReplyBodies.isLarge(reply) ? this.hold(reply, maker) : reply
  }

  async #roomOrContent(claim: Promise<OpenBody>, digest: string | undefined): Promise<OpenBody | HeldBody> {
    if (digest === undefined) return claim
    const { promise, resolve } = Promise.withResolvers<HeldBody>()
    const others = this.#waiting.get(digest) ?? new Set()
    this.#waiting.set(digest, others.add(resolve))
    try {
      return await Promise.race([claim, promise])
    } finally {
      others.delete(resolve)
      if (others.size === 0 && this.#waiting.get(digest) === others) this.#waiting.delete(digest)
    }
  }

  #send(reply: Reply, open: OpenBody, maker: ReplyMaker): Reply {
    const { digest } = reply
    const held = new HeldBody(reply.body, open, () => {
      if (digest !== undefined) this.#sent.delete(digest)
    })
    if (digest !== undefined) this.#sent.set(digest, held)
    const sent = held.reply(reply, maker)
    if (digest !== undefined) for (const tell of this.#waiting.get(digest) ?? []) tell(held)
    return sent
  }

  /** Claims these bytes of the budget, synchronously if there is room. */
  #claim(owner: BodyOwner, bytes: number): OpenBody | Promise<OpenBody> {
    const begun = this.#budget.begin(owner, bytes)
    if (begun instanceof Promise) return begun.then((open) => taken(open, open.take(bytes)))
    const room = begun.take(bytes)
    return room === undefined ? begun : taken(begun, room)
  }
}

async function taken(open: OpenBody, room: Promise<void> | undefined): Promise<OpenBody> {
  try {
    await room
    return open
  } catch (error) {
    open.release()
    throw error
  }
}

/** One body in memory from which one or several replies are sent. */
class HeldBody {
  isOver = false
  readonly #body: Reply['body']
  readonly #open: OpenBody
  readonly #end: () => void
  readonly #readers = new Set<ReplyMaker>()
  #waiting = 0

  constructor(body: Reply['body'], open: OpenBody, end: () => void) {
    this.#body = typeof body === 'string' ? Buffer.from(body) : body
    this.#open = open
    this.#end = end
    open.onEnd = () => {
      for (const reader of this.#readers) reader.cut()
    }
  }

  reply({ status, headers }: Reply, reader: ReplyMaker): Reply {
    this.#readers.add(reader)
    const body = this.#body
    const length = isStreamBody(body) ? body.length : body?.length
    const close = (): void => {
      if (isStreamBody(body)) body.close()
      this.#readers.delete(reader)
      if (this.#readers.size > 0) return
      this.isOver = true
      this.#end()
      this.#open.release()
    }
    return { status, headers, body: { length, stream: () => this.#watched(chunksOf(body)), close } }
  }

  /** The writer asks for a chunk after it has sent the one before. */
  async *#watched(chunks: ByteSource): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      if (this.#waiting++ === 0) this.#open.awaitClient()
      let sent = 0
      try {
        yield chunk
        sent = chunk.byteLength
      } finally {
        this.#open.heard(sent)
        if (--this.#waiting > 0) this.#open.awaitClient()
      }
    }
  }
}

async function* chunksOf(body: Reply['body']): AsyncGenerator<Uint8Array> {
  if (body === undefined || typeof body === 'string') return
  if (isStreamBody(body)) yield* body.stream()
  else for (let at = 0; at < body.byteLength; at += slice) yield body.subarray(at, at + slice)
}

function bytesOf(body: Uint8Array | string | StreamBody | undefined): number {
  if (body === undefined) return 0
  if (typeof body === 'string') return body.length
  return body instanceof Uint8Array ? body.byteLength : (body.holds ?? 0)
}
