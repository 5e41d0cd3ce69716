import type { Command, Option } from 'commander'
import { groupsOf, namesOf, plain, typedCommands } from './typed-command.ts'
import { valueAfter, valueOfOption, type ValueKind } from './value-kind.ts'

export function fishScript(program: Command): string {
  const lines = [
    `function __trow_ask
  set -l words (commandline -opc) (commandline -ct)
  trow complete $argv[1] -- $words[2..-1] 2>/dev/null
end`,
    ...program.commands.map((command) => nameLine(command, '__fish_use_subcommand')),
    ...groupsOf(program).flatMap((group) => {
      const open = `${seen([group.name()])}; and not ${seen(namesOf(group))}`
      return group.commands.map((command) => nameLine(command, open))
    }),
    ...typedCommands(program).flatMap(({ command, group, words }) => {
      const when =
        group === undefined ? seen(words) : `${seen([group.name()])}; and ${seen([command.name()])}`
      const argument = actionOf(valueAfter(command))
      return [
        ...(command.commands.length === 0 || group !== undefined
          ? [`complete -c trow -n '${when}' ${argument}`]
          : []),
        ...command.options.map((option) => optionLine(option, when)),
      ]
    }),
  ]
  return `${lines.join('\n')}\n`
}

function nameLine(command: Command, when: string): string {
  return `complete -c trow -n '${when}' -f -a ${command.name()} -d '${plain(command.description())}'`
}

function seen(names: readonly string[]): string {
  return `__fish_seen_subcommand_from ${names.join(' ')}`
}

function optionLine(option: Option, when: string): string {
  const value = valueOfOption(option)
  const short = option.short ? ` -s ${option.short.slice(1)}` : ''
  const action = value === undefined ? '' : ` -r ${actionOf(value)}`
  return `complete -c trow -n '${when}' -l ${option.long?.slice(2)}${short}${action} -d '${plain(option.description)}'`
}

function actionOf(value: ValueKind): string {
  if (value.kind === 'choices') return `-f -a '${value.choices.join(' ')}'`
  return {
    file: '-F',
    context: `-f -a '(__trow_ask context)'`,
    reference: `-f -a '(__trow_ask reference)'`,
    nothing: '-f',
  }[value.kind]
}
