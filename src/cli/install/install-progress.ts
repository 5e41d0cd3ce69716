import type { Progress } from '../../install/install-context.ts'
import type { Terminal } from '../streams.ts'

/**
 * Steps on stderr: on a terminal the running one is redrawn with what it waits for; elsewhere a line is written when
 * something is news.
 */
export async function installProgress(terminal: Terminal): Promise<Progress & { close(): void }> {
  return terminal.stderr.isTTY === true ? drawn(terminal) : lines(terminal)
}

function lines({ stderr }: Terminal): Progress & { close(): void } {
  let told = ''
  return {
    start(title) {
      told = ''
      stderr.write(`${title} …\n`)
    },
    state(reasons) {
      const news = reasons.join('\n')
      if (news === told) return
      told = news
      for (const reason of reasons) stderr.write(`  ${reason}\n`)
    },
    end(title, milliseconds) {
      stderr.write(`√ ${title} (${seconds(milliseconds)})\n`)
    },
    warn(message) {
      stderr.write(`‼ ${message}\n`)
    },
    close() {},
  }
}

async function drawn({ stderr }: Terminal): Promise<Progress & { close(): void }> {
  // Loaded only where somebody looks.
  const { default: ora } = await import('ora')
  const spinner = ora({ stream: stderr as NodeJS.WriteStream, discardStdin: false })
  let current = ''
  return {
    start(title) {
      current = title
      spinner.start(title)
    },
    state(reasons) {
      const shown = reasons.slice(0, 8)
      const more = reasons.length - shown.length
      const rest = more > 0 ? [`and ${more} more`] : []
      spinner.text = [current, ...[...shown, ...rest].map((line) => `  ${line}`)].join('\n')
    },
    end(title, milliseconds) {
      spinner.succeed(`${title} (${seconds(milliseconds)})`)
    },
    warn(message) {
      spinner.warn(message)
      if (current !== '') spinner.start(current)
    },
    close() {
      if (spinner.isSpinning) spinner.fail()
    },
  }
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`
}
