import { Argument, Command, type Option } from 'commander'
import type { CommandContext } from './program.ts'

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
      terminal.stdout.write(scripts[shell](program()))
    })
}

const scripts: Readonly<Record<'bash' | 'zsh' | 'fish', (program: Command) => string>> = {
  bash: (program) => `_trow() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${program.commands.map((command) => command.name()).join(' ')}" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]} $previous" in
${bashChoices(program)}
  esac
  if [ -z "$words" ]; then
    case "\${COMP_WORDS[1]}" in
${program.commands.map((command) => `      ${pattern(command)}) words="${bashWords(command)}" ;;`).join('\n')}
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
    _values command ${program.commands.map((command) => `'${command.name()}[${plain(command.description())}]'`).join(' ')}
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case "$command" in
${program.commands.map((command) => `    ${pattern(command)}) _arguments ${zshArguments(command)} ;;`).join('\n')}
  esac
}
compdef _trow trow
`,
  fish: (program) =>
    program.commands
      .flatMap((command) => [
        `complete -c trow -n __fish_use_subcommand -f -a ${command.name()} -d '${plain(command.description())}'`,
        ...argumentChoices(command).map(
          (choice) => `complete -c trow -n '__fish_seen_subcommand_from ${command.name()}' -f -a ${choice}`,
        ),
        ...command.options.map((option) => fishOption(command, option)),
      ])
      .join('\n') + '\n',
}

function bashChoices(program: Command): string {
  return program.commands
    .flatMap((command) =>
      command.options
        .filter((option) => option.argChoices !== undefined)
        .map(
          (option) => `    "${command.name()} ${option.long}") words="${option.argChoices?.join(' ')}" ;;`,
        ),
    )
    .join('\n')
}

function bashWords(command: Command): string {
  return [...argumentChoices(command), ...command.options.map((option) => option.long ?? '')].join(' ')
}

function zshArguments(command: Command): string {
  const options = command.options.map((option) => {
    const value = option.argChoices === undefined ? '_files' : `(${option.argChoices.join(' ')})`
    return `'${option.long}[${plain(option.description)}]${option.required ? `:value:${value}` : ''}'`
  })
  const choices = argumentChoices(command)
  return [...options, choices.length > 0 ? `'1:value:(${choices.join(' ')})'` : `'*:file:_files'`].join(' ')
}

function fishOption(command: Command, option: Option): string {
  const choices = option.argChoices === undefined ? '' : ` -f -a '${option.argChoices.join(' ')}'`
  const value = option.required ? ` -r${choices}` : ''
  const seen = `__fish_seen_subcommand_from ${[command.name(), ...command.aliases()].join(' ')}`
  return `complete -c trow -n '${seen}' -l ${option.long?.slice(2)}${value} -d '${plain(option.description)}'`
}

function pattern(command: Command): string {
  return [command.name(), ...command.aliases()].join('|')
}

function argumentChoices(command: Command): readonly string[] {
  return command.registeredArguments.flatMap((argument) => argument.argChoices ?? [])
}

function plain(text: string): string {
  return text.replaceAll(/['[\]]/g, '')
}
