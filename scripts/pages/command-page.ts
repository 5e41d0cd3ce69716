import type { Command, Option } from 'commander'
import { notesOf, type HelpNote } from '../../src/cli/help/help-notes.ts'
import { pathOf } from '../../src/cli/help/help-layout.ts'
import { optionText } from '../../src/cli/help/option-text.ts'
import { SettingOption } from '../../src/cli/setting-options.ts'
import { variableOf } from '../../src/settings/settings-variables.ts'

/** What the pages say of one command; Markdown and roff are made of it. */
export interface CommandPage {
  /** `trow policy lint`. */
  readonly path: string
  /** `trow-policy-lint`: the name of its files. */
  readonly name: string
  readonly group: string
  /** A phrase without a full stop. */
  readonly description: string
  readonly usage: string
  readonly arguments: readonly PageItem[]
  readonly options: readonly { readonly heading: string; readonly items: readonly PageItem[] }[]
  readonly notes: readonly HelpNote[]
  readonly parent: string | undefined
  readonly children: readonly { readonly path: string; readonly name: string; readonly description: string }[]
}

/** An option or an argument. */
export interface PageItem {
  /** `-n, --namespace <name>`. */
  readonly term: string
  readonly description: string
  readonly choices: readonly string[]
  readonly fallback: string | undefined
  /** The variable that is read where the flag is not given. */
  readonly variable: string | undefined
}

/** Returns the pages of a command and of all below it. */
export function pagesOf(command: Command): readonly CommandPage[] {
  return [pageOf(command), ...command.commands.flatMap(pagesOf)]
}

export function pageName(path: string): string {
  return path.replaceAll(' ', '-')
}

function pageOf(command: Command): CommandPage {
  const path = pathOf(command)
  const help = command.createHelp()
  const headings = [...new Set(command.options.map(headingOf))]
  return {
    path,
    name: pageName(path),
    group: command.helpGroup().replace(/:$/, ''),
    description: command.description(),
    usage: [path, command.usage()].join(' '),
    arguments: help.visibleArguments(command).map((argument) => ({
      term: help.argumentTerm(argument),
      ...optionText(argument),
      variable: variableIn(argument.description),
    })),
    options: headings.map((heading) => ({
      heading,
      items: command.options.filter((option) => headingOf(option) === heading).map(itemOf),
    })),
    notes: notesOf(command),
    parent: command.parent === null ? undefined : pathOf(command.parent),
    children: command.commands.map((child) => ({
      path: pathOf(child),
      name: pageName(pathOf(child)),
      description: child.description(),
    })),
  }
}

function headingOf({ helpGroupHeading = 'Options:' }: Option): string {
  return helpGroupHeading.replace(/:$/, '')
}

function itemOf(option: Option): PageItem {
  const variable =
    option instanceof SettingOption ? variableOf(option.setting) : variableIn(option.description)
  return { term: option.flags, ...optionText(option), variable }
}

function variableIn(text: string): string | undefined {
  return /\bTROW_[A-Z_]+/.exec(text)?.[0]
}
