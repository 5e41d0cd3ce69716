import type { Command } from 'commander'
import { groupsOf, namesOf, typedCommands, type TypedCommand } from './typed-command.ts'
import { valueAfter, valueOfOption, type ValueKind } from './value-kind.ts'

/**
 * Bash splits words at colons, and a reference has some: the words are taken from the line itself, and what
 * stands before the last colon is not offered again.
 */
export function bashScript(program: Command): string {
  const typed = typedCommands(program)
  return `_trow_offer() {
  local each
  for each in $1; do
    if [[ "$each" == "$current"* ]]; then COMPREPLY+=("$each"); fi
  done
}
_trow_files() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen -f -- "$current"))
}
_trow_ask() {
  compopt -o nospace 2>/dev/null
  _trow_offer "$(trow complete "$1" -- "\${words[@]:1}" 2>/dev/null)"
}
_trow_values() {
  case "$command $previous" in
${typed.flatMap(optionCases).join('\n')}
    *) return 1 ;;
  esac
}
_trow_arguments() {
  case "$command" in
${typed.flatMap(argumentCase).join('\n')}
  esac
}
_trow_options() {
  case "$command" in
${typed.map(optionsCase).join('\n')}
  esac
}
_trow() {
  local IFS=$' \\t\\n' line="\${COMP_LINE:0:COMP_POINT}" current previous command head
  local -a words
  read -ra words <<<"$line"
  if [[ "$line" == *[[:space:]] ]]; then words+=(''); fi
  current="\${words[\${#words[@]}-1]}"
  COMPREPLY=()
  if [ "\${#words[@]}" -le 2 ]; then
    _trow_offer '${namesOf(program).join(' ')}'
    return
  fi
  previous="\${words[\${#words[@]}-2]}" command="\${words[1]}"
  case "$command" in
${groupsOf(program)
  .map(
    (group) => `    ${group.name()})
      if [ "\${#words[@]}" -le 3 ]; then
        _trow_offer '${namesOf(group).join(' ')}'
        return
      fi
      command="$command \${words[2]}" ;;`,
  )
  .join('\n')}
  esac
  if [[ "$current" == --*=* ]]; then previous="\${current%%=*}" current="\${current#*=}"; fi
  if ! _trow_values; then
    if [[ "$current" == -* ]]; then _trow_options; else _trow_arguments; fi
  fi
  if [[ "$current" == *:* && "$COMP_WORDBREAKS" == *:* ]]; then
    head="\${current%"\${current##*:}"}"
    COMPREPLY=("\${COMPREPLY[@]#"$head"}")
  fi
}
complete -F _trow trow
`
}

function optionCases({ command, words }: TypedCommand): readonly string[] {
  return command.options.flatMap((option) => {
    const value = valueOfOption(option)
    if (value === undefined) return []
    const flags = [option.long, option.short].filter((flag) => flag !== undefined && flag !== null)
    const patterns = words.flatMap((word) => flags.map((flag) => `"${word} ${flag}"`))
    return [`    ${patterns.join('|')}) ${actionOf(value)} ;;`]
  })
}

function argumentCase({ command, words }: TypedCommand): readonly string[] {
  const value = valueAfter(command)
  if (value.kind === 'nothing') return []
  return [`    ${words.map((word) => `"${word}"`).join('|')}) ${actionOf(value)} ;;`]
}

function optionsCase({ command, words }: TypedCommand): string {
  const flags = command.options.map((option) => option.long ?? '')
  return `    ${words.map((word) => `"${word}"`).join('|')}) _trow_offer '${[...flags, '--help'].join(' ')}' ;;`
}

function actionOf(value: ValueKind): string {
  if (value.kind === 'choices') return `_trow_offer '${value.choices.join(' ')}'`
  return {
    file: '_trow_files',
    context: '_trow_ask context',
    reference: '_trow_ask reference',
    nothing: ':',
  }[value.kind]
}
