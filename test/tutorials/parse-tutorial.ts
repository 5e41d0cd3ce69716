/** A command of a block, as it is typed, with the lines that the terminal shows: the typed ones and the answer. */
export interface TypedCommand {
  readonly command: string
  /** `…` stands for any text in a line; a line of `…` alone stands for any lines. */
  readonly shown: readonly string[]
}

/** What a reader of a page does, block by block. */
export type TutorialStep =
  | { readonly kind: 'file'; readonly line: number; readonly name: string; readonly text: string }
  | {
      readonly kind: 'commands'
      readonly line: number
      /** The name of the terminal; `''` is the first one. In another one the last command goes on. */
      readonly terminal: string
      /** Every command of the block ends with another code than 0. */
      readonly fails: boolean
      readonly commands: readonly TypedCommand[]
    }

export interface Tutorial {
  readonly title: string
  /** `<!-- needs: … -->`: programs without which it is not run. */
  readonly needs: readonly string[]
  /** `<!-- hosts: … -->`: names that lead to the machine of the tutorial. */
  readonly hosts: readonly string[]
  readonly steps: readonly TutorialStep[]
}

/**
 * Reads a tutorial. Its code blocks are `console` (commands after `$ ` and what they show), optionally with `fails` or
 * `terminal=NAME`, and files: any other language with the file's name. Throws for a block that is neither, so that
 * nothing on a page is left out silently.
 */
export function parseTutorial(markdown: string): Tutorial {
  const comment = (name: string): string[] =>
    (new RegExp(`<!-- ${name}: (.*?) -->`).exec(markdown)?.[1] ?? '').split(' ').filter((word) => word !== '')
  const steps: TutorialStep[] = []
  const lines = markdown.split('\n')
  for (let at = 0; at < lines.length; at++) {
    const [, fence = '', info = ''] = /^ *(```+)(.*)$/.exec(lines[at] ?? '') ?? []
    if (fence === '') continue
    const end = lines.findIndex((line, index) => index > at && line.trim() === fence)
    if (end === -1) throw new Error(`line ${at + 1}: the block has no end`)
    steps.push(stepOf(info.trim().split(/ +/), lines.slice(at + 1, end), at + 1))
    at = end
  }
  const title = /^# (.*)$/m.exec(markdown)?.[1] ?? ''
  return { title, needs: comment('needs'), hosts: comment('hosts'), steps }
}

function stepOf(
  [language = '', ...words]: readonly string[],
  lines: readonly string[],
  line: number,
): TutorialStep {
  if (language !== 'console') {
    const [name] = words
    if (name === undefined)
      throw new Error(`line ${line}: the block is neither \`console\` nor a file with its name`)
    return { kind: 'file', line, name, text: `${lines.join('\n')}\n` }
  }
  const fails = words.includes('fails')
  const [, terminal = ''] = /terminal=(\S+)/.exec(words.join(' ')) ?? []
  return { kind: 'commands', line, terminal, fails, commands: commandsOf(lines, line) }
}

function commandsOf(lines: readonly string[], line: number): TypedCommand[] {
  const commands: { command: string; shown: string[] }[] = []
  for (let at = 0; at < lines.length; at++) {
    const text = lines[at] ?? ''
    if (!text.startsWith('$ ')) {
      const last = commands.at(-1)
      if (last === undefined) throw new Error(`line ${line + 1}: the block begins without a command`)
      last.shown.push(text)
      continue
    }
    let typed = text
    while (typed.endsWith('\\') && at + 1 < lines.length) typed += `\n${lines[++at]}`
    commands.push({ command: typed.slice(2), shown: typed.split('\n') })
  }
  // An empty line between two commands is there for the eye.
  for (const { shown } of commands) while (shown.at(-1)?.trim() === '') shown.pop()
  return commands
}

/** Whether the lines of a screen are those that were promised, in however wide columns. */
export function isAsShown(screen: readonly string[], shown: readonly string[]): boolean {
  const words = (line: string): string => line.trim().replace(/ {2,}/g, '  ')
  const pattern = shown
    .map((line) =>
      line.trim() === '…' ? '(?:.*\n)*?' : `${words(line).split('…').map(RegExp.escape).join('.*')}\n`,
    )
    .join('')
  return new RegExp(`^${pattern}$`).test(screen.map((line) => `${words(line)}\n`).join(''))
}
