import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findProgram } from '../requirements.ts'

export interface Typed {
  readonly command: string
  /** The screen and what has left it at the top, without escape codes: as a person sees it in the end. */
  readonly screen: string
  readonly code: number
  /** Milliseconds until the prompt was back. */
  readonly time: number
}

/** A shell in a terminal (tmux), for what is to be seen as a person sees it. */
export class PersonTerminal {
  readonly #folder = mkdtempSync(join(tmpdir(), 'trow-terminal-'))
  readonly #codes: string
  readonly #socket: string

  private constructor() {
    this.#socket = join(this.#folder, 'tmux.sock')
    this.#codes = join(this.#folder, 'codes')
    writeFileSync(this.#codes, '')
  }

  /** `within`: a command that starts another in a place of its own. */
  static async open(options: {
    readonly env: Readonly<Record<string, string>>
    readonly cwd: string
    readonly within?: readonly string[]
    readonly columns?: number
  }): Promise<PersonTerminal> {
    const { env, cwd, within = [], columns = 100 } = options
    const terminal = new PersonTerminal()
    // What goes on in a second line stands there as it was typed.
    const prompt = { PS1: '$ ', PS2: '', PROMPT_COMMAND: `echo $? >> ${terminal.#codes}` }
    const set = Object.entries({ ...env, ...prompt }).map(([name, value]) => `${name}=${value}`)
    const size = ['-x', String(columns), '-y', '60']
    const shell = [...within, 'env', '-i', 'TERM=tmux-256color', 'LANG=C.UTF-8', ...set, 'bash', '--norc']
    terminal.#tmux('-f', '/dev/null', 'new-session', '-d', ...size, '-c', cwd, ...shell)
    await terminal.#prompted(1, 30_000)
    await terminal.#until(() => terminal.#screen().endsWith('$'), 30_000)
    return terminal
  }

  /** Types a command, and the answer when the question is on the screen; `patience` in milliseconds. */
  async type(
    command: string,
    {
      question,
      answer = '',
      patience = 300_000,
    }: { question?: string; answer?: string; patience?: number } = {},
  ): Promise<Typed> {
    const before = this.#ended().length
    this.#tmux('send-keys', '-R')
    this.#tmux('clear-history')
    const begin = performance.now()
    this.#enter(command)
    if (question !== undefined) {
      await this.#until(() => this.#screen().includes(question) || this.#ended().length > before, patience)
      if (this.#ended().length === before) this.#enter(answer)
    }
    await this.#prompted(before + 1, patience)
    const time = performance.now() - begin
    // The shell writes its code a moment before its prompt.
    await this.#until(() => this.#screen().endsWith('\n$'), 10_000)
    const screen = this.#screen().replace(/\n\$$/, '')
    return { command, screen: `$ ${screen}`, code: Number(this.#ended().at(-1)), time }
  }

  /** Types a command that goes on, and waits until the screen is as it should be, or the command has ended. */
  async begin(command: string, shown: (screen: string) => boolean, patience: number): Promise<string> {
    const before = this.#ended().length
    this.#tmux('send-keys', '-R')
    this.#tmux('clear-history')
    this.#enter(command)
    const screen = (): string => `$ ${this.#screen()}`
    await this.#until(() => shown(screen()) || this.#ended().length > before, patience)
    return screen()
  }

  /** Ctrl-C to a command that goes on; returns its exit code. */
  async interrupt(patience: number): Promise<number> {
    const before = this.#ended().length
    this.#tmux('send-keys', 'C-c')
    await this.#prompted(before + 1, patience)
    return Number(this.#ended().at(-1))
  }

  /** The screen with its colours, as SGR escape codes; a line that is too long stands in several, as it is seen. */
  coloured(): string {
    return this.#tmux('capture-pane', '-p', '-e', '-S', '-').trimEnd()
  }

  close(): void {
    this.#tmux('kill-server')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #enter(text: string): void {
    this.#tmux('send-keys', '-l', text)
    this.#tmux('send-keys', 'Enter')
  }

  #screen(): string {
    return this.#tmux('capture-pane', '-p', '-J', '-S', '-')
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n')
      .trimEnd()
  }

  #ended(): string[] {
    return readFileSync(this.#codes, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
  }

  async #prompted(count: number, patience: number): Promise<void> {
    await this.#until(() => this.#ended().length >= count, patience)
  }

  async #until(test: () => boolean, patience: number): Promise<void> {
    for (const end = Date.now() + patience; !test(); await sleep(20))
      if (Date.now() > end) throw new Error(`the terminal shows, after ${patience} ms:\n${this.#screen()}`)
  }

  #tmux(...args: readonly string[]): string {
    const { status, stdout, stderr, error } = spawnSync(
      findProgram('tmux') ?? 'tmux',
      ['-S', this.#socket, ...args],
      { encoding: 'utf8', env: { PATH: process.env['PATH'], LANG: 'C.UTF-8', TERM: 'xterm-256color' } },
    )
    if (status === 0) return stdout
    throw new Error(`tmux ${args.join(' ')}: ${stderr}`, { cause: error })
  }
}
