import { faultKey, faultLines, type Fault } from '../../cluster/grouped-faults.ts'
import type { Progress } from '../../install/install-context.ts'
import { marks } from '../check-lines.ts'
import { colorsOf, fitted, isRedrawn } from '../display.ts'
import { openSpinner } from '../spinner.ts'
import { visibleLine } from '../../visible-text.ts'
import type { Terminal } from '../streams.ts'

/**
 * Steps on stderr: on a terminal the running one is redrawn with what it waits for; elsewhere a line is written when
 * something is news. `now`: milliseconds.
 */
export async function installProgress(
  terminal: Terminal,
  now: () => number,
): Promise<Progress & { close(): void }> {
  return isRedrawn(terminal.stderr, terminal.env) ? drawn(terminal) : lines(terminal, now)
}

/** Milliseconds in which nodes gather behind one reason before they are told. */
const gathering = 10_000

function lines({ stderr }: Terminal, now: () => number): Progress & { close(): void } {
  const news = new News(now)
  const tell = (faults: readonly Fault[]): void => {
    for (const line of faultLines(faults)) stderr.write(`  ${line}\n`)
  }
  return {
    start(title) {
      news.forget()
      stderr.write(`${title} …\n`)
    },
    state: (reasons) => tell(news.of(reasons)),
    end(title, milliseconds) {
      stderr.write(`${marks.success} ${title} (${seconds(milliseconds)})\n`)
    },
    warn(message) {
      stderr.write(`${marks.warning} ${message}\n`)
    },
    close() {},
  }
}

/** What has not been told in this step. A reason is told at once; other nodes that come to have it are gathered. */
class News {
  readonly #now: () => number
  readonly #told = new Set<string>()
  readonly #toldAt = new Map<string, number>()

  constructor(now: () => number) {
    this.#now = now
  }

  forget(): void {
    this.#told.clear()
    this.#toldAt.clear()
  }

  of(reasons: readonly Fault[]): Fault[] {
    const now = this.#now()
    const ready = new Map<string, boolean>()
    return reasons.filter((reason) => {
      const key = faultKey(reason)
      const own = `${reason.node ?? ''} ${key}`
      if (this.#told.has(own)) return false
      // Looked up once a round: all that have the same reason now are told together.
      const isReady = ready.get(key) ?? now - (this.#toldAt.get(key) ?? -Infinity) >= gathering
      ready.set(key, isReady)
      if (!isReady) return false
      this.#told.add(own)
      this.#toldAt.set(key, now)
      return true
    })
  }
}

/** Reasons that are shown at a time. */
const most = 8

async function drawn(terminal: Terminal): Promise<Progress & { close(): void }> {
  const { stderr } = terminal
  const spinner = await openSpinner(terminal)
  const { green, yellow, red } = colorsOf(stderr, terminal.env)
  let current = ''
  return {
    start(title) {
      current = title
      spinner.start(title)
    },
    state(reasons) {
      const all = faultLines(reasons)
      const more = all.length - most
      const shown = [...all.slice(0, most), ...(more > 0 ? [`and ${more} more`] : [])]
      // A line that wraps would be drawn over with the rest of it left.
      spinner.show(
        [
          current,
          ...shown
            .flatMap((line) => line.split('\n'))
            .map((line) => fitted(`  ${visibleLine(line)}`, stderr)),
        ].join('\n'),
      )
    },
    end(title, milliseconds) {
      spinner.stopWith({ symbol: green(marks.success), text: `${title} (${seconds(milliseconds)})` })
      current = ''
    },
    warn(message) {
      spinner.stopWith({ symbol: yellow(marks.warning), text: message })
      if (current !== '') spinner.start(current)
    },
    close() {
      if (spinner.isSpinning) spinner.stopWith({ symbol: red(marks.error), text: current })
    },
  }
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`
}
