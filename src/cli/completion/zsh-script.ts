import type { Command } from 'commander'
import { groupsOf, plain, typedCommands } from './typed-command.ts'
import { valueAfter, valueOfOption, type ValueKind } from './value-kind.ts'

export function zshScript(program: Command): string {
  return `#compdef trow
_trow_ask() {
  local -a found
  found=(\${(f)"$(trow complete "$1" -- "\${(Q)trow_words[@]}" 2>/dev/null)"})
  compadd -S '' -- $found
}
_trow() {
  local -a trow_words
  trow_words=("\${(@)words[2,CURRENT]}")
  if (( CURRENT == 2 )); then
    _values command ${values(program)}
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case "$command" in
${groupsOf(program)
  .map(
    (group) => `    ${group.name()})
      if (( CURRENT == 2 )); then
        _values command ${values(group)}
        return
      fi
      command="$command $words[2]"
      shift words
      (( CURRENT-- )) ;;`,
  )
  .join('\n')}
  esac
  case "$command" in
${typedCommands(program)
  .filter(({ command, group }) => command.commands.length === 0 || group !== undefined)
  .map(
    ({ command, words }) =>
      `    ${words.map((word) => `"${word}"`).join('|')}) _arguments ${specs(command)} ;;`,
  )
  .join('\n')}
  esac
}
compdef _trow trow
`
}

function values({ commands }: Command): string {
  return commands.map((command) => `'${command.name()}[${plain(command.description())}]'`).join(' ')
}

function specs(command: Command): string {
  const options = command.options.flatMap((option) => {
    const value = valueOfOption(option)
    const rest = `[${plain(option.description)}]${value === undefined ? '' : `:value:${actionOf(value)}`}`
    return [option.long, option.short].flatMap((flag) => (flag ? [`'*${flag}${rest}'`] : []))
  })
  return [...options, `'*:value:${actionOf(valueAfter(command))}'`].join(' ')
}

/** An action that begins with a space is called as it stands. */
function actionOf(value: ValueKind): string {
  if (value.kind === 'choices') return `(${value.choices.join(' ')})`
  return { file: '_files', context: ' _trow_ask context', reference: ' _trow_ask reference', nothing: ' ' }[
    value.kind
  ]
}
