import { Argument, Command, type Option } from 'commander'
import type { CommandContext } from './command-context.ts'

/** Scripts made from the command tree itself, so that they cannot go stale. */
export function completionCommand({ terminal }: CommandContext, program: () => Command): Command {
  return new Command('completion')
    .description('print a script that completes trow commands in a shell')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      `
  bash   source <(trow completion bash)
  zsh    source <(trow completion zsh)
  fish   trow completion fish | source`,
    )
    .action((shell: 'bash' | 'zsh' | 'fish') => {
      terminal.exact.stdout.write(scripts[shell](program()))
    })
}

/** A command, with the one that holds it: `serve`, or `rotate` of `ca`. */
interface Typed {
  readonly command: Command
  readonly group: Command | undefined
}

const scripts: Readonly<Record<'bash' | 'zsh' | 'fish', (program: Command) => string>> = {
  bash: (program) => `_trow() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words=
  local command="\${COMP_WORDS[1]}"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${namesOf(program).join(' ')}" -- "$current"))
    return
  fi
  case "$command" in
    ${patternOf(program)}) if [ "$COMP_CWORD" -gt 2 ]; then command="$command \${COMP_WORDS[2]}"; fi ;;
  esac
  case "$command $previous" in
${bashChoices(program)}
  esac
  if [ -z "$words" ]; then
    case "$command" in
${commandsOf(program)
  .map((typed) => `      ${patternOfWords(wordsOf(typed))}) words="${bashWords(typed.command)}" ;;`)
  .join('\n')}
    esac
    if [[ "$words" == --* && "$current" != -* ]]; then words=; fi
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [ -n "$words" ] || COMPREPLY=($(compgen -f -- "$current"))
}
complete -F _trow trow
`,
  zsh: (program) => `#compdef trow
_trow() {
  if (( CURRENT == 2 )); then
    _values command ${zshValues(program)}
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
        _values command ${zshValues(group)}
        return
      fi
      command="$command $words[2]"
      shift words
      (( CURRENT-- )) ;;`,
  )
  .join('\n')}
  esac
  case "$command" in
${commandsOf(program)
  .filter(({ command }) => command.commands.length === 0)
  .map((typed) => `    ${patternOfWords(wordsOf(typed))}) _arguments ${zshArguments(typed.command)} ;;`)
  .join('\n')}
  esac
}
compdef _trow trow
`,
  fish: (program) =>
    [
      ...program.commands.map((command) => fishName(command, '__fish_use_subcommand')),
      ...groupsOf(program).flatMap((group) => {
        const open = `${fishSeen([group.name()])}; and not ${fishSeen(namesOf(group))}`
        return group.commands.map((command) => fishName(command, open))
      }),
      ...commandsOf(program).flatMap((typed) => {
        const { command, group } = typed
        const seen =
          group === undefined
            ? fishSeen(wordsOf(typed))
            : `${fishSeen([group.name()])}; and ${fishSeen([command.name()])}`
        return [
          ...argumentChoices(command).map((choice) => `complete -c trow -n '${seen}' -f -a ${choice}`),
          ...command.options.map((option) => fishOption(option, seen)),
        ]
      }),
    ].join('\n') + '\n',
}

function commandsOf(program: Command): readonly Typed[] {
  return program.commands.flatMap((command) => [
    { command, group: undefined },
    ...command.commands.map((child) => ({ command: child, group: command })),
  ])
}

/** Each way to type it. */
function wordsOf({ command, group }: Typed): readonly string[] {
  return group === undefined ? [command.name(), ...command.aliases()] : [`${group.name()} ${command.name()}`]
}

/** Commands that only hold others. */
function groupsOf(program: Command): readonly Command[] {
  return program.commands.filter(({ commands }) => commands.length > 0)
}

function namesOf({ commands }: Command): readonly string[] {
  return commands.map((command) => command.name())
}

function patternOf(program: Command): string {
  return groupsOf(program)
    .map((group) => group.name())
    .join('|')
}

function patternOfWords(words: readonly string[]): string {
  return words.map((word) => `"${word}"`).join('|')
}

function bashChoices(program: Command): string {
  return commandsOf(program)
    .flatMap((typed) =>
      typed.command.options
        .filter((option) => option.argChoices !== undefined)
        .map((option) => {
          const pattern = patternOfWords(wordsOf(typed).map((word) => `${word} ${option.long}`))
          return `    ${pattern}) words="${option.argChoices?.join(' ')}" ;;`
        }),
    )
    .join('\n')
}

function bashWords(command: Command): string {
  const options = command.options.map((option) => option.long ?? '')
  return [...namesOf(command), ...argumentChoices(command), ...options].join(' ')
}

function zshValues({ commands }: Command): string {
  return commands.map((command) => `'${command.name()}[${plain(command.description())}]'`).join(' ')
}

function zshArguments(command: Command): string {
  const options = command.options.map((option) => {
    const value = option.argChoices === undefined ? '_files' : `(${option.argChoices.join(' ')})`
    return `'${option.long}[${plain(option.description)}]${option.required ? `:value:${value}` : ''}'`
  })
  const choices = argumentChoices(command)
  return [...options, choices.length > 0 ? `'1:value:(${choices.join(' ')})'` : `'*:file:_files'`].join(' ')
}

function fishName(command: Command, when: string): string {
  return `complete -c trow -n '${when}' -f -a ${command.name()} -d '${plain(command.description())}'`
}

function fishSeen(names: readonly string[]): string {
  return `__fish_seen_subcommand_from ${names.join(' ')}`
}

function fishOption(option: Option, seen: string): string {
  const choices = option.argChoices === undefined ? '' : ` -f -a '${option.argChoices.join(' ')}'`
  const value = option.required ? ` -r${choices}` : ''
  return `complete -c trow -n '${seen}' -l ${option.long?.slice(2)}${value} -d '${plain(option.description)}'`
}

function argumentChoices(command: Command): readonly string[] {
  return command.registeredArguments.flatMap((argument) => argument.argChoices ?? [])
}

function plain(text: string): string {
  return text.replaceAll(/['[\]]/g, '')
}
