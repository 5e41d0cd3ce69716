import type { Command } from 'commander'
import type { Terminal } from './streams.ts'

/** What a command is made with; its action sets the exit code of the run. */
export interface CommandContext {
  readonly terminal: Terminal
  /** To be called by the action with its result. */
  finish(code: number): void
}

/** Makes commands; the completion asks for the whole tree. */
export type CommandMaker = (context: CommandContext, program: () => Command) => readonly Command[]
