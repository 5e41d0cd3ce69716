import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Whether nothing holds it any more. */
export async function isCollected(held: WeakRef<object>): Promise<boolean> {
  // A WeakRef holds its target until the end of the turn in which it was made or read.
  for (let turn = 0; turn < 5; turn++) {
    await nextTurn()
    collect()
  }
  return held.deref() === undefined
}
