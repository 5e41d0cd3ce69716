import { counted } from '../../counted.ts'
import { Argument, Command, Option } from 'commander'
import { defaultPrefix, type OidcIssuer } from '../../access/oidc-issuer.ts'
import { actions, type Action } from '../../access/principal.ts'
import { defaultRules, type AccessRule } from '../../access/rules.ts'
import { lintRules } from '../../access/rules-lint.ts'
import { isRepositoryName } from '../../oci/repository-name.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printList, printResult } from '../result/print-result.ts'
import { settingsOf } from '../setting-options.ts'
import type { Terminal } from '../streams.ts'
import { callerOf, explain, type CallerKind } from './explain.ts'
import { examples } from '../help/examples.ts'

export function authCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('auth')
    .description('explain and check the rules of trow.yaml')
    .addHelpText(...examples('trow auth explain alice push team/app', 'trow auth lint'))
  const configured = (child: Command): Command =>
    child.option('--config <file>', 'the trow.yaml with the rules (default: TROW_CONFIG)')

  const explaining = configured(new Command('explain'))
    .addOption(outputOption(...objectOutputs))
    .description('say which rule decides, or that the cluster is asked')
    .addHelpText(
      ...examples(
        'trow auth explain alice push team/app --config trow.yaml',
        'trow auth explain system:serviceaccount:web:default pull team/app',
        'trow auth explain anonymous pull team/app -o json',
      ),
    )
    .argument('<user>', 'alice, robot+ci, system:serviceaccount:NAMESPACE:NAME, oidc:…, anonymous')
    .addArgument(new Argument('<action>', 'what the user wants to do').choices(actions))
    .argument('<repository>', 'name of the repository, such as team/app')
    .option('--group <group...>', 'groups of the user; those of service accounts and nodes are known')
    .addOption(
      new Option('--kind <kind>', 'who vouches for the name: auto takes a plain name for a password user')
        .choices(['auto', 'password', 'cluster', 'oidc'])
        .default('auto'),
    )
    .action(async (user: string, action: Action, repository: string, options: ExplainOptions) => {
      if (!isRepositoryName(repository)) {
        throw new UserError('REFERENCE_INVALID', `"${repository}" is no repository name`, {
          hint: 'Name it without a host and without a tag: team/app.',
          exitCode: exitCode.usage,
        })
      }
      const { rules, own, oidc } = await rulesOf(options, terminal)
      const caller = callerOf(user, {
        kind: options.kind,
        groups: options.group ?? [],
        oidcPrefixes: oidc.map(({ prefix }) => prefix ?? defaultPrefix),
      })
      const explanation = explain(rules, caller, action, repository)
      finish(explanation.decision === 'denied' ? exitCode.notPermitted : 0)
      if (options.output !== 'text') {
        const { kind, name, groups } = caller
        const explained = { caller: { kind, name, groups }, action, repository, ...explanation }
        return printResult('AccessExplanation', explained, options.output, terminal)
      }
      const decision = {
        allowed: 'allowed',
        denied: 'denied',
        'robot-scope': 'it depends',
        cluster: 'it depends',
      }
      terminal.stdout.write(`${decision[explanation.decision]}: ${explanation.reason}\n`)
      if (explanation.ask !== undefined) terminal.stdout.write(`  ${explanation.ask}\n`)
      if (!own)
        terminal.stderr.write(
          'there are no rules of your own: this is the default, password users may do everything\n',
        )
    })

  const linting = configured(new Command('lint'))
    .addOption(outputOption('text', 'json', 'yaml', 'jsonl'))
    .description('find rules that do nothing, that others hide, or that are likely not meant')
    .addHelpText(...examples('trow auth lint --config trow.yaml'))
    .action(async (options: ConfigOptions) => {
      const { rules, own } = await rulesOf(options, terminal)
      const findings = own ? lintRules(rules) : []
      if (options.output !== 'text') {
        const shown = findings.map(({ rule, level, message }) => ({ rule: rule + 1, level, message }))
        await printList('AccessFindingList', shown, { output: options.output, terminal })
      } else {
        for (const { rule, level, message } of findings)
          terminal.stdout.write(`rule ${rule + 1}: ${level}: ${message}\n`)
        if (findings.length === 0)
          terminal.stderr.write(
            own ? `${counted(rules.length, 'rule')}, nothing found\n` : 'there are no rules\n',
          )
      }
      finish(findings.length === 0 ? 0 : exitCode.problemsFound)
    })

  command.addCommand(explaining)
  command.addCommand(linting)
  return command
}

interface ConfigOptions {
  readonly config?: string
  readonly output: Output
}

interface ExplainOptions extends ConfigOptions {
  readonly group?: readonly string[]
  readonly kind: CallerKind
}

async function rulesOf(
  options: ConfigOptions,
  terminal: Terminal,
): Promise<{
  readonly rules: readonly AccessRule[]
  readonly own: boolean
  readonly oidc: readonly OidcIssuer[]
}> {
  const { settings } = await settingsOf({ config: options.config }, terminal)
  const { access, oidc = [] } = settings as {
    readonly access?: readonly AccessRule[]
    readonly oidc?: readonly OidcIssuer[]
  }
  return { rules: access ?? defaultRules, own: access !== undefined, oidc }
}
