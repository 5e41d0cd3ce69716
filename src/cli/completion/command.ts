import { Argument, Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { examples } from '../help/examples.ts'
import { bashScript } from './bash-script.ts'
import { fishScript } from './fish-script.ts'
import { zshScript } from './zsh-script.ts'

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript } as const

/** The scripts are made from the command tree itself, so that they are always up to date. */
export function completionCommand({ terminal }: CommandContext, program: () => Command): Command {
  return new Command('completion')
    .description('print a script that completes trow commands in a shell')
    .addHelpText(...examples('source <(trow completion bash)', 'trow completion fish | source'))
    .addArgument(new Argument('<shell>', 'shell that the script is for').choices(Object.keys(scripts)))
    .addHelpText(
      'after',
      `
It completes commands, options and their values, kube contexts, and repositories and tags. For these it asks the
registry that --registry, TROW_REGISTRY or the name itself names, else the server on this machine where there is no
kubeconfig; it waits for 300 ms, and is silent if there is no answer.

Put the line into ~/.bashrc or ~/.zshrc, or the script into ~/.config/fish/completions/trow.fish.`,
    )
    .action((shell: keyof typeof scripts) => {
      terminal.exact.stdout.write(scripts[shell](program()))
    })
}
