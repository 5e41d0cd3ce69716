import { Argument, Command } from 'commander'
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
  local current="\${COMP_WORDS[COMP_CWORD]}" words
  case "\${COMP_WORDS[1]}" in
${cases(program)}
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then words="${names(program)}"; fi
  if [[ "$current" == -* || "$COMP_CWORD" -eq 1 || -z "$current" ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  fi
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))
}
complete -F _trow trow
`,
  zsh: (program) => `#compdef trow
_trow() {
  local -a words
  case "\${words_[2]:-$words[2]}" in
${program.commands
  .map(
    (command) =>
      `    ${command.name()}) _arguments ${command.options.map((option) => `'${option.long}[${plain(option.description)}]${option.required ? ':value:_files' : ''}'`).join(' ')} '*:file:_files' ;;`,
  )
  .join('\n')}
    *) _values command ${program.commands.map((command) => `'${command.name()}[${plain(command.description())}]'`).join(' ')} ;;
  esac
}
compdef _trow trow
`,
  fish: (program) =>
    program.commands
      .flatMap((command) => [
        `complete -c trow -n __fish_use_subcommand -f -a ${command.name()} -d '${plain(command.description())}'`,
        ...command.options.map(
          (option) =>
            `complete -c trow -n '__fish_seen_subcommand_from ${command.name()}' -l ${option.long?.slice(2)}${option.required ? ' -r' : ''} -d '${plain(option.description)}'`,
        ),
      ])
      .join('\n') + '\n',
}

function cases(program: Command): string {
  return program.commands.map((command) => `    ${command.name()}) words="${flags(command)}" ;;`).join('\n')
}

function names(program: Command): string {
  return program.commands.map((command) => command.name()).join(' ')
}

function flags(command: Command): string {
  const choices = command.registeredArguments.flatMap((argument) => argument.argChoices ?? [])
  return [...choices, ...command.options.map((option) => option.long ?? option.short ?? '')].join(' ')
}

function plain(text: string): string {
  return text.replaceAll(/['[\]]/g, '')
}
