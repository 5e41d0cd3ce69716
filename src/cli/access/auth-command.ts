import { Argument, Command, Option } from 'commander'
import { defaultPrefix, type OidcIssuer } from '../../access/oidc-issuer.ts'
import { actions, type Action } from '../../access/principal.ts'
import { defaultRules, type AccessRule } from '../../access/rules.ts'
import { lintRules } from '../../access/rules-lint.ts'
import { isRepositoryName } from '../../oci/repository-name.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { settingsOf } from '../setting-options.ts'
import type { Terminal } from '../streams.ts'
import { callerOf, explain, type CallerKind } from './explain.ts'

export function authCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('auth').description('what the rules of trow.yaml mean')
  const configured = (child: Command): Command =>
    child
      .option('--config <file>', 'the trow.yaml with the rules (default: TROW_CONFIG)')
      .addOption(
        new Option('-o, --output <format>', 'text or json').choices(['text', 'json']).default('text'),
      )

  const explaining = configured(new Command('explain'))
    .description('say which rule decides, or that the cluster is asked')
    .argument('<user>', 'alice, robot+ci, system:serviceaccount:NAMESPACE:NAME, oidc:…, anonymous')
    .addArgument(new Argument('<action>').choices(actions))
    .argument('<repository>')
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
      if (options.output === 'json') {
        terminal.exact.stdout.write(`${JSON.stringify({ caller, action, repository, ...explanation })}\n`)
        return
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
    .description('find rules that do nothing, that others hide, or that are likely not meant')
    .action(async (options: ConfigOptions) => {
      const { rules, own } = await rulesOf(options, terminal)
      const findings = own ? lintRules(rules) : []
      if (options.output === 'json') {
        const shown = findings.map((finding) => ({ ...finding, rule: finding.rule + 1 }))
        terminal.exact.stdout.write(`${JSON.stringify(shown)}\n`)
      } else {
        for (const { rule, level, message } of findings)
          terminal.stdout.write(`rule ${rule + 1}: ${level}: ${message}\n`)
        if (findings.length === 0)
          terminal.stderr.write(own ? `${rules.length} rules, nothing found\n` : 'there are no rules\n')
      }
      finish(findings.length === 0 ? 0 : exitCode.problemsFound)
    })

  command.addCommand(explaining)
  command.addCommand(linting)
  return command
}

interface ConfigOptions {
  readonly config?: string
  readonly output: string
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
