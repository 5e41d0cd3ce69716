import type { Reply } from '../http/reply.ts'
import type { ServerRequest } from '../http/server-request.ts'
import { route } from '../http/route.ts'
import { Router, type PathMatch } from '../http/router.ts'
import type { Surface } from '../http/surface.ts'
import { inTime } from '../in-time.ts'
import type { Log } from '../log.ts'
import type { OciError } from '../oci/oci-error.ts'
import { reasonOf, stackOf } from '../reason-of.ts'
import type { AdmissionJudge } from './admission-judge.ts'
import { UnreadableReview, type Review } from './admission-review.ts'
import type { PolicyReviews } from './policy-review.ts'
import { answerText, uncheckedAnswer, type ReviewAnswer } from './review-answer.ts'
import type { ReviewReader } from './review-reader.ts'
import type { ReviewRoom } from './review-room.ts'

export interface AdmissionSurfaceParts {
  readonly judge: AdmissionJudge
  readonly policies: PolicyReviews
  readonly reader: ReviewReader
  readonly room: ReviewRoom
  readonly log: Log
  /** Of one finished review, in seconds: for metrics. */
  readonly measured: (path: string, seconds: number) => void
  /** Undefined: it can judge. Otherwise why it cannot yet. */
  readonly notReady: () => string | undefined
}

/** The paths that the webhook configuration names. */
export const reviewPaths = { pods: '/pods', templates: '/templates', policies: '/policies' } as const

/**
 * An API server takes requests of 3 MiB. As JSON a byte of it may become six, and an update carries two objects: what is
 * larger than this comes from nowhere.
 */
const largestReview = 48 * 1024 * 1024
/** Milliseconds that the API server waits, where its request does not say. */
const usualTimeout = 5000
/** Milliseconds before that, in which the answer must be on its way. */
const margin = 1000
const shortestDeadline = 400
/** Bytes in which the API server has written the id of the review. */
const headLength = 4096

/**
 * Answers the API server's admission reviews (`admission.k8s.io/v1`). Nothing in a request leads to an HTTP error or to
 * silence, both of which are an allow under `failurePolicy: Ignore`: what cannot be judged in time is answered, and not let in.
 */
export class AdmissionSurface implements Surface {
  readonly #parts: AdmissionSurfaceParts
  readonly #router: Router

  constructor(parts: AdmissionSurfaceParts) {
    this.#parts = parts
    const health = (): Reply => {
      const reason = parts.notReady()
      return plainReply(reason === undefined ? 200 : 503, reason ?? 'ok')
    }
    this.#router = new Router([
      ...Object.values(reviewPaths).map((path) =>
        route(['POST'], path, 'none', (request) => this.#review(path, request)),
      ),
      route(['GET', 'HEAD'], '/readyz', 'none', health),
      route(['GET', 'HEAD'], '/livez', 'none', () => plainReply(200, 'ok')),
    ])
  }

  find(path: string): PathMatch | undefined {
    return this.#router.find(path)
  }

  /** The API server does not say who it is (KEP-6060 is alpha): a review is read, and changes nothing. */
  admit(): void {}

  refuse({ status, message }: OciError, { path }: ServerRequest): Reply {
    if (!isReviewPath(path)) return plainReply(status, message)
    return answered(uncheckedAnswer('', message))
  }

  async #review(path: string, request: ServerRequest): Promise<Reply> {
    const begun = performance.now()
    const signal = AbortSignal.timeout(deadlineOf(request))
    const whole = this.#answer(request, signal)
    try {
      return answered(await whole)
    } finally {
      this.#parts.measured(path, (performance.now() - begun) / 1000)
    }
  }

  async #answer(request: ServerRequest, signal: AbortSignal): Promise<ReviewAnswer> {
    const { room } = this.#parts
    const bytes = Math.min(request.bodyLength ?? largestReview, largestReview)
    const seen = { uid: '' }
    if (!(await room.enter(bytes, signal)))
      return uncheckedAnswer(await uidOf(request), 'there are too many reviews at once')
    try {
      return await inTime(this.#judge(request, seen, signal), signal, () =>
        uncheckedAnswer(seen.uid, 'it took too long'),
      )
    } catch (error) {
      if (error instanceof UnreadableReview) return uncheckedAnswer(error.uid ?? seen.uid, error.message)
      this.#parts.log.error('a review could not be judged', {
        reason: reasonOf(error),
        stack: stackOf(error),
      })
      return uncheckedAnswer(seen.uid, 'trow has made a mistake, which is in its log')
    } finally {
      room.leave(bytes)
    }
  }

  async #judge(request: ServerRequest, seen: { uid: string }, signal: AbortSignal): Promise<ReviewAnswer> {
    const body = await readBody(request, seen)
    const review = await this.#parts.reader.read(body)
    return this.#byKind(review, signal)
  }

  #byKind(review: Review, signal: AbortSignal): Promise<ReviewAnswer> | ReviewAnswer {
    switch (review.kind) {
      case 'pod':
      case 'template':
        return this.#parts.judge.answer(review, signal)
      case 'policy':
        return this.#parts.policies.answer(review)
      case 'other':
        return { uid: review.uid, isAllowed: true, message: '', warnings: [], annotations: {} }
    }
  }
}

function plainReply(status: number, line: string): Reply {
  return { status, headers: ['Content-Type', 'text/plain'], body: `${line}\n` }
}

function answered(answer: ReviewAnswer): Reply {
  return { status: 200, headers: ['Content-Type', 'application/json'], body: answerText(answer) }
}

function isReviewPath(path: string): boolean {
  return Object.values<string>(reviewPaths).includes(path)
}

/** The API server says in the query how long it waits: `?timeout=5s`. */
function deadlineOf({ query }: ServerRequest): number {
  const [, seconds] = /^(\d{1,3})s$/.exec(query.get('timeout') ?? '') ?? []
  const timeout = seconds === undefined ? usualTimeout : Number(seconds) * 1000
  return Math.max(shortestDeadline, timeout - margin)
}

/** `seen.uid`: as soon as the beginning is there. */
async function readBody(request: ServerRequest, seen: { uid: string }): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body().source) {
    size += chunk.byteLength
    // Copied: a chunk is valid only until the next one.
    chunks.push(new Uint8Array(chunk))
    if (seen.uid === '') seen.uid = uidIn(chunks)
    if (size > largestReview)
      throw new UnreadableReview(`the review has more than ${largestReview} bytes`, seen.uid)
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, size)
}

/** Of a review that nobody reads. */
async function uidOf(request: ServerRequest): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body().source) {
    chunks.push(new Uint8Array(chunk))
    size += chunk.byteLength
    if (uidIn(chunks) !== '' || size >= headLength) break
  }
  return uidIn(chunks)
}

/** The API server writes the id first; without it the answer would be taken for an error. */
function uidIn(chunks: readonly Uint8Array[]): string {
  const head = Buffer.concat(chunks.slice(0, 4)).subarray(0, headLength).toString('latin1')
  return (
    /^\s*\{"kind":"AdmissionReview","apiVersion":"admission\.k8s\.io\/v1","request":\{"uid":"([0-9a-f-]{36})"/.exec(
      head,
    )?.[1] ?? ''
  )
}
