import type { Command } from 'commander'
import type { Terminal } from './streams.ts'

/** The parameters with which commands are made. A command's action sets the exit code of the run. */
export interface CommandContext {
  readonly terminal: Terminal
  /** The action calls this with its exit code. */
  finish(code: number): void
}

/** Makes commands. The completion command needs the whole tree. */
export type CommandMaker = (context: CommandContext, program: () => Command) => readonly Command[]
