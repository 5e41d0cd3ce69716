import { stripVTControlCharacters } from 'node:util'
import { Help, type Command, type HelpConfiguration } from 'commander'
import { printedText } from '../../visible-text.ts'
import type { Colors } from '../display.ts'
import { wrapped } from './help-notes.ts'
import { printOptionText } from './option-text.ts'

/** Wider lines are hard to read. */
export const widestHelp = 110

/** Descriptions get at least so many columns; otherwise they stand below what they describe. */
const leastRoom = 38

/** A longer flag has its description below, so that it does not take the room of all others. */
const longestTerm = 30

/** The columns of `Usage: `. */
const usageTitle = 7

/** The form of every help: fits any terminal that is 40 columns wide. */
export function helpLayout(colors: Colors): HelpConfiguration {
  return {
    displayWidth: (text) => stripVTControlCharacters(printedText(text)).length,
    padWidth(command, helper) {
      const longest = Help.prototype.padWidth.call(this, command, helper as Help)
      return Math.min(longest, longestTerm)
    },
    formatItem(term, termWidth, description, helper) {
      const width = helper.helpWidth ?? 80
      const room = width - termWidth - 4
      const isBelow = room < leastRoom
      const indent = ' '.repeat(isBelow ? 6 : termWidth + 4)
      const lines = wrapped(description, isBelow ? width - 6 : room)
      const space = termWidth - helper.displayWidth(term)
      if (isBelow || space < 0) return [`  ${term}`, ...lines.map((line) => `${indent}${line}`)].join('\n')
      return `  ${term}${' '.repeat(space)}  ${lines.join(`\n${indent}`)}`.trimEnd()
    },
    boxWrap: (text, width) =>
      text
        .split('\n')
        .flatMap((line) => wrapped(line, width))
        .join('\n'),
    commandUsage(command) {
      const usage = Help.prototype.commandUsage.call(this, command)
      return wrapped(usage, (this.helpWidth ?? 80) - usageTitle).join(`\n${' '.repeat(usageTitle)}`)
    },
    optionDescription: printOptionText,
    argumentDescription: printOptionText,
    // The arguments of a command stand in its own help.
    subcommandTerm: (command) => [command.name(), ...command.aliases()].join(', '),
    subcommandDescription: (command) => command.summary() || command.description(),
    styleTitle: colors.heading,
    styleCommandText: colors.literal,
    styleOptionText: colors.literal,
    styleArgumentText: colors.literal,
    styleSubcommandText: colors.literal,
  }
}

/** Returns the command as it is typed: `trow policy lint`. */
export function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`
}
