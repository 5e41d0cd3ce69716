import type { BlobSource } from '../../upstream/registry-pusher.ts'
import type { BlobLine, PushListener } from '../../push/send-blobs.ts'
import { humanSize } from '../../settings/quantities.ts'
import { visibleLine } from '../../visible-text.ts'
import type { WorkProgress } from '../progress/work-progress.ts'

const words = { there: 'is there already', mounted: 'is in another repository' }

/** A line for each blob that is done, above the bar of all of them. */
export class PushProgress implements PushListener {
  readonly #work: WorkProgress
  readonly #pushed: string

  /** `pushed`: what is said of a blob whose bytes went this way. */
  constructor(work: WorkProgress, pushed = 'pushed') {
    this.#work = work
    this.#pushed = pushed
  }

  expect(bytes: number): void {
    this.#work.expect(bytes)
  }

  begin({ digest, size }: BlobSource): BlobLine {
    const name = digest.slice(0, 19)
    let counted = 0
    const count = (bytes: number): void => {
      this.#work.add(bytes - counted)
      counted = bytes
    }
    return {
      sent: count,
      interrupted: (reason) => this.#work.say(`  ${name}  cut (${visibleLine(reason.message)}); going on`),
      done: (outcome) => {
        count(outcome === 'pushed' ? size : 0)
        // What need not be sent is no part of the work.
        if (outcome !== 'pushed') this.#work.expect(-size)
        this.#work.say(
          `  ${name}  ${outcome === 'pushed' ? this.#pushed : words[outcome]}  ${humanSize(size)}`,
        )
      },
    }
  }
}
