import { visibleLine, ownSequence } from '../../visible-text.ts'
import { fitted, isRedrawn } from '../display.ts'
import { isForProgram } from '../result/output.ts'
import type { Terminal } from '../streams.ts'
import { barLine } from './bar-line.ts'
import { Pace } from './pace.ts'

/** Milliseconds between two drawings. */
const interval = 100

/**
 * The bar of long work: how much is done, how fast, and how long it takes still. It is drawn on stderr, only on a
 * terminal that a person looks at: not in a pipe, in CI (variable CI), or where a program reads the output.
 */
export class WorkProgress {
  readonly #terminal: Pick<Terminal, 'stderr' | 'env'>
  readonly #now: () => number
  readonly #isQuiet: boolean
  #isDrawing: boolean
  readonly #pace = new Pace()
  readonly #timer: NodeJS.Timeout | undefined
  #done = 0
  #total: number | undefined
  #isOnScreen = false
  #drawnAt = -Infinity

  constructor(
    terminal: Pick<Terminal, 'stderr' | 'env'>,
    { output, now = () => performance.now() }: { readonly output?: string; readonly now?: () => number } = {},
  ) {
    const { stderr, env } = terminal
    this.#terminal = terminal
    this.#now = now
    this.#isQuiet = isForProgram(output)
    this.#isDrawing = isRedrawn(stderr, env) && !this.#isQuiet && (env['CI'] ?? '') === ''
    // Work that stands still is shown to do so.
    if (this.#isDrawing) this.#timer = setInterval(() => this.#draw(), 1000).unref()
  }

  /** Adds bytes to what is to be done; negative: they need not be done after all. */
  expect(bytes: number): void {
    this.#total = (this.#total ?? 0) + bytes
    this.#draw()
  }

  add(bytes: number): void {
    this.#done += bytes
    this.#pace.note(this.#done, this.#now())
    if (this.#now() - this.#drawnAt >= interval) this.#draw()
  }

  /** Sets both at once, for work that tells its totals. */
  set(done: number, total: number): void {
    this.#total = total
    this.add(done - this.#done)
  }

  /** Prints a line that stays, above the bar; nothing where a program reads the output. */
  say(line: string): void {
    if (this.#isQuiet) return
    this.#erase()
    this.#terminal.stderr.write(`${line}\n`)
    this.#draw()
  }

  /** Takes the bar from the screen until it is drawn again, so that something else can be printed. */
  hide(): void {
    this.#erase()
  }

  /** Passes chunks on, and counts them. */
  async *counted<Chunk extends Uint8Array>(source: AsyncIterable<Chunk>): AsyncGenerator<Chunk> {
    for await (const chunk of source) {
      this.add(chunk.byteLength)
      yield chunk
    }
  }

  /** Takes the bar from the screen for good. Lines that are said afterwards stand alone. */
  end(): void {
    this.#isDrawing = false
    clearInterval(this.#timer)
    this.#erase()
  }

  #draw(): void {
    if (!this.#isDrawing || (this.#total === undefined && this.#done === 0)) return
    const { stderr } = this.#terminal
    this.#erase()
    const now = this.#now()
    const rate = this.#pace.rate(now)
    const line = barLine({ done: this.#done, total: this.#total, rate })
    stderr.write(`${fitted(visibleLine(line), stderr)}\n`)
    this.#isOnScreen = true
    this.#drawnAt = now
  }

  #erase(): void {
    // ANSI: up by one line, then erase to the end of the screen.
    if (this.#isOnScreen) this.#terminal.stderr.write(ownSequence('\u001b[1A\u001b[J'))
    this.#isOnScreen = false
  }
}
