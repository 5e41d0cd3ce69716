/**
 * The words of a BodyTable in shared memory, by index: a header, then `perThread` of each thread, a counter of
 * each of `ownerCount` owners, and the slots of bodies, each a `field` after the other.
 */
export const header = {
  free: 0,
  changes: 1,
  sequence: 2,
  reserved: 3,
  slots: 4,
  share: 5,
  threads: 6,
  total: 7,
  seed: 8,
}
export const headerSize = 9
/** Words of each thread. `orders` changes when one of its bodies must end; `top`: its slots to scan. */
export const perThread = { orders: 0, top: 1 }
export const perThreadSize = 2
export const ownerCount = 1 << 13
export const field = {
  state: 0,
  sequence: 1,
  owner: 2,
  counted: 3,
  held: 4,
  expected: 5,
  received: 6,
  waited: 7,
  /** When the body began to wait for its client, as `now` counts; 0: it does not wait. */
  since: 8,
  wants: 9,
}
export const fieldCount = 10
export const state = { free: 0, open: 1, ended: 2 }
