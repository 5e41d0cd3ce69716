import { randomInt } from 'node:crypto'
import { BodyBudget, type BudgetManners } from '../../http/body-budget.ts'
import type { BodyPlaces } from '../../http/read-whole.ts'
import type { Settings } from '../../settings/settings-schema.ts'

const mebibyte = 1024 * 1024
/** Each owner's share is a budget divided by this. */
const parts = 8
const slots = 2048

const callers = {
  bytes: 64 * mebibyte,
  timeLimit: 60_000,
  manners: { what: 'pushes', counts: 'announced', patience: 1000 } satisfies BudgetManners,
}
/** Forms for the token service, which any client that reaches the port may send. */
const strangers = {
  bytes: 4 * mebibyte,
  reserve: 64 * 1024,
  timeLimit: 10_000,
  manners: { what: 'forms', counts: 'received', patience: 250 } satisfies BudgetManners,
}
/** Replies that are sent from memory. */
const replies = {
  bytes: 64 * mebibyte,
  manners: { what: 'large replies', counts: 'announced', patience: 500 } satisfies BudgetManners,
}

/** The budgets' memory, shared by all workers. */
export interface BodyBuffers {
  readonly callers: SharedArrayBuffer
  readonly strangers: SharedArrayBuffer
  readonly replies: SharedArrayBuffer
}

/** Main's side: creates the budgets, and releases what a dead worker held. */
export function createBodies(
  settings: Pick<Settings, 'manifest-limit'>,
  threads: number,
): { readonly buffers: BodyBuffers; reclaim(worker: number): void } {
  const make = (bytes: number, reserve: number, manners: BudgetManners): BodyBudget =>
    BodyBudget.create(
      { bytes, reserve, share: bytes / parts, threads, slots, seed: randomInt(2 ** 31) },
      manners,
    )
  // A larger manifest-limit that is taken later is still read: the oldest body goes beyond the budget then.
  const ofCallers = make(callers.bytes, settings['manifest-limit'], callers.manners)
  const ofStrangers = make(strangers.bytes, strangers.reserve, strangers.manners)
  const ofReplies = make(replies.bytes, settings['manifest-limit'], replies.manners)
  return {
    buffers: { callers: ofCallers.buffer, strangers: ofStrangers.buffer, replies: ofReplies.buffer },
    reclaim(worker) {
      ofCallers.reclaim(worker)
      ofStrangers.reclaim(worker)
      ofReplies.reclaim(worker)
    },
  }
}

/** A worker's side: attaches to the budgets. */
export function attachBodies(buffers: BodyBuffers, worker: number): BodyPlaces {
  return {
    callers: {
      budget: BodyBudget.attach(buffers.callers, worker, callers.manners),
      timeLimit: callers.timeLimit,
    },
    strangers: {
      budget: BodyBudget.attach(buffers.strangers, worker, strangers.manners),
      timeLimit: strangers.timeLimit,
    },
    replies: BodyBudget.attach(buffers.replies, worker, replies.manners),
  }
}
