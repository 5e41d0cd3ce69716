import type { BlobSource } from '../../upstream/registry-pusher.ts'
import { humanSize } from '../../settings/quantities.ts'
import { fitted, isRedrawn } from '../display.ts'
import type { Terminal } from '../streams.ts'
import { ownSequence, visibleLine } from '../../visible-text.ts'
import type { BlobLine, PushListener } from '../../push/push-image.ts'

/** A line a blob on stderr: on a terminal redrawn while it travels, elsewhere told when something is over. */
export class PushProgress implements PushListener {
  readonly #stderr: Terminal['stderr']
  readonly #isRedrawn: boolean
  readonly #now: () => number
  readonly #open = new Map<string, string>()
  #drawn = 0
  #last = 0

  constructor({ stderr, env }: Pick<Terminal, 'stderr' | 'env'>, now: () => number) {
    this.#stderr = stderr
    this.#isRedrawn = isRedrawn(stderr, env)
    this.#now = now
  }

  begin({ digest, size }: BlobSource): BlobLine {
    const name = digest.slice(0, 19)
    const show = (text: string): void => {
      this.#open.set(name, `  ${name}  ${text}`)
      this.#redraw(false)
    }
    return {
      sent: (bytes) =>
        show(`${humanSize(bytes)} of ${humanSize(size)} (${Math.floor((bytes / (size || 1)) * 100)} %)`),
      interrupted: (reason) => {
        this.#print(`  ${name}  cut (${visibleLine(reason.message)}); going on`)
      },
      done: (outcome) => {
        this.#open.delete(name)
        const words = { there: 'is there already', mounted: 'is in another repository', pushed: 'pushed' }
        this.#print(`  ${name}  ${words[outcome]}  ${humanSize(size)}`)
      },
    }
  }

  /** Leaves what is finished on the screen. */
  end(): void {
    this.#open.clear()
    this.#redraw(true)
  }

  #print(line: string): void {
    this.#erase()
    this.#stderr.write(`${line}\n`)
    this.#redraw(true)
  }

  #redraw(now: boolean): void {
    if (!this.#isRedrawn || (!now && this.#now() - this.#last < 100)) return
    this.#last = this.#now()
    this.#erase()
    for (const line of this.#open.values()) this.#stderr.write(`${fitted(line, this.#stderr)}\n`)
    this.#drawn = this.#open.size
  }

  #erase(): void {
    // Up so many lines, and everything below away.
    if (this.#drawn > 0) this.#stderr.write(ownSequence(`\u001b[${this.#drawn}A\u001b[J`))
    this.#drawn = 0
  }
}
