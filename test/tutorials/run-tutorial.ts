import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { PersonTerminal } from '../support/person-terminal.ts'
import { isAsShown, type Tutorial, type TutorialStep } from './parse-tutorial.ts'

type Commands = Extract<TutorialStep, { kind: 'commands' }>

/** Where a tutorial is done. */
export interface TerminalLook {
  readonly columns?: number
  /** Beside those of the desk. */
  readonly env?: Readonly<Record<string, string>>
}

export interface Desk {
  /** Where files are written, and where each terminal begins. */
  readonly folder: string
  openTerminal(look?: TerminalLook): Promise<PersonTerminal>
}

/** Milliseconds for one command. */
const patience = 120_000

/** Does what the page says, in order. Throws at the first block whose commands do not end, or show something else. */
export async function runTutorial({ steps }: Tutorial, desk: Desk): Promise<void> {
  const terminals = new Map<string, PersonTerminal>()
  const going = new Set<PersonTerminal>()
  try {
    for (const step of steps) {
      if (step.kind === 'file') {
        const path = join(desk.folder, step.name)
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, step.text)
        continue
      }
      const terminal = terminals.get(step.terminal) ?? (await desk.openTerminal())
      terminals.set(step.terminal, terminal)
      if (going.delete(terminal)) await terminal.interrupt(patience)
      await runCommands(step, terminal)
      if (step.terminal !== '') going.add(terminal)
    }
    for (const terminal of going) await terminal.interrupt(patience)
  } finally {
    for (const terminal of terminals.values()) terminal.close()
  }
}

async function runCommands(step: Commands, terminal: PersonTerminal): Promise<void> {
  for (const [index, { command, shown }] of step.commands.entries()) {
    const where = `line ${step.line}: ${command}`
    const goesOn = step.terminal !== '' && index === step.commands.length - 1
    if (goesOn) {
      const isThere = (screen: string): boolean => isAsShown(screen.split('\n'), shown)
      compare(await terminal.begin(command, isThere, patience), shown, where)
      continue
    }
    const { screen, code } = await terminal.type(command, { patience })
    compare(screen, shown, where)
    assert.ok(step.fails ? code !== 0 : code === 0, `${where}: exit code ${code}\n${screen}`)
  }
}

function compare(screen: string, shown: readonly string[], where: string): void {
  if (isAsShown(screen.split('\n'), shown)) return
  assert.equal(screen, shown.join('\n'), where)
}
