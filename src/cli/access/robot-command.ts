import { randomBytes } from 'node:crypto'
import { Command } from 'commander'
import { actions, robotPrefix, type Action } from '../../access/principal.ts'
import { grantsProblem, makeRobot, parseGrants, robotNameProblem } from '../../access/robots.ts'
import type { RobotRecord } from '../../metadata/access-store.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { parseDuration } from '../../settings/quantities.ts'
import { lookOf, printTable } from '../table.ts'
import { listOutputs, objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printList, printResult, type Result } from '../result/print-result.ts'
import { addSettingOptions, settingsOf, storageSettingNames } from '../setting-options.ts'
import { RobotRegistry } from './robot-registry.ts'
import { examples } from '../help/examples.ts'

interface CreateOptions {
  readonly repository: readonly string[]
  readonly action: readonly string[]
  readonly expires: string
  readonly description?: string
  readonly output: Output
}

export function robotCommand(context: CommandContext): Command {
  const command = new Command('robot')
    .description('manage accounts of machines, bound to repositories and actions, which expire')
    .addHelpText(
      ...examples("trow robot create ci --repository 'team-a/**' --action pull push", 'trow robot list'),
    )
  for (const child of [createCommand(context), listCommand(context), revokeCommand(context)])
    command.addCommand(child)
  return command
}

function createCommand({ terminal }: CommandContext): Command {
  const command = new Command('create')
    .addOption(outputOption(...objectOutputs))
    .description('make a robot and show its secret, once')
    .addHelpText(
      ...examples(
        "trow robot create ci --repository 'team-a/**' --action pull push --expires 30d",
        "trow robot create scanner --repository '**' --action pull list -o json",
      ),
    )
    .argument('<name>', 'name of the robot, without robot+')
    .requiredOption(
      '--repository <pattern...>',
      'repositories: team-a/** (any depth), team-a/* (one segment), app',
    )
    .requiredOption('--action <action...>', `what: ${actions.join(', ')}`)
    .option('--expires <duration>', 'how long the secret holds: 30d, 12h, or never', '90d')
    .option('--description <text>', 'what it is for')
  addSettingOptions(command, storageSettingNames)
  return command.action(async (name: string, options: CreateOptions & Record<string, unknown>) => {
    const now = Date.now()
    const grants = [{ repositories: words(options.repository), actions: words(options.action) as Action[] }]
    const problem = robotNameProblem(name) ?? grantsProblem(grants)
    if (problem !== undefined) throw invalid(problem)
    const { robot, secret } = makeRobot(
      { name, grants, description: options.description, expiresAt: endOf(options.expires, now) },
      { now, random: randomBytes(40) },
    )
    const { settings } = await settingsOf(options, terminal)
    if (!(await new RobotRegistry(settings, terminal.env).add(robot))) {
      throw new UserError('ROBOT_EXISTS', `there is a robot "${name}" already`, {
        hint: `trow robot revoke ${name} takes it away; then the name is free.`,
      })
    }
    const granted = grants[0]?.actions ?? []
    if (granted.includes('push') && !granted.includes('pull'))
      terminal.stderr.write('note: clients look before they push; without --action pull they will fail\n')
    if (options.output !== 'text')
      return printResult('RobotCreation', { ...shown(robot), password: secret }, options.output, terminal)
    terminal.stdout.write(`user name  ${robotPrefix}${name}\npassword   ${secret}\n`)
    terminal.stderr.write(`It holds ${until(robot)} and is shown only now.\n`)
  })
}

function listCommand({ terminal }: CommandContext): Command {
  const command = new Command('list')
    .description('list the robots, without their secrets')
    .addHelpText(...examples('trow robot list --data /var/lib/trow'))
    .addOption(outputOption(...listOutputs))
  addSettingOptions(command, storageSettingNames)
  return command.action(async (options: { readonly output: Output } & Record<string, unknown>) => {
    const { settings } = await settingsOf(options, terminal)
    const robots = await new RobotRegistry(settings, terminal.env).list()
    const { output } = options
    if (output !== 'text') {
      const nameOf = ({ username }: Result<'Robot'>): string => username
      await printList('RobotList', robots.map(shown), { output, terminal, nameOf })
    } else if (robots.length === 0) terminal.stderr.write('there are no robots\n')
    else
      terminal.stdout.write(
        printTable(
          [['NAME', 'REPOSITORIES', 'ACTIONS', 'EXPIRES', 'DESCRIPTION'], ...robots.map(cells)],
          lookOf(terminal.stdout, terminal.env),
        ),
      )
  })
}

function revokeCommand({ terminal }: CommandContext): Command {
  const command = new Command('revoke')
    .description('take a robot away; within ten seconds it is refused everywhere')
    .addHelpText(...examples('trow robot revoke ci'))
    .argument('<name>', 'name of the robot, without robot+')
    .addOption(outputOption(...objectOutputs))
  addSettingOptions(command, storageSettingNames)
  return command.action(async (given: string, options: { output: Output } & Record<string, unknown>) => {
    const name = given.startsWith(robotPrefix) ? given.slice(robotPrefix.length) : given
    if (
      !(await new RobotRegistry((await settingsOf(options, terminal)).settings, terminal.env).remove(name))
    ) {
      throw new UserError('ROBOT_UNKNOWN', `there is no robot "${name}"`, {
        hint: 'trow robot list shows all.',
      })
    }
    const username = `${robotPrefix}${name}`
    if (options.output === 'text') terminal.stdout.write(`revoked ${username}\n`)
    else await printResult('RobotRevocation', { name, username }, options.output, terminal)
  })
}

/** Splits repeated or comma-separated values. */
function words(given: readonly string[]): string[] {
  return [...new Set(given.flatMap((each) => each.split(',')).map((each) => each.trim()))].filter(
    (each) => each !== '',
  )
}

function endOf(text: string, now: number): number | undefined {
  if (text === 'never') return undefined
  const duration = parseDuration(text)
  if (duration === undefined || duration === 0)
    throw invalid(`--expires: "${text}" is no duration; write for example 90d, 12h or never`)
  return now + duration
}

function invalid(message: string): UserError {
  return new UserError('ROBOT_INVALID', message, { exitCode: exitCode.usage })
}

function shown(robot: RobotRecord): Result<'Robot'> {
  return {
    name: robot.name,
    username: `${robotPrefix}${robot.name}`,
    description: robot.description,
    grants: parseGrants(robot.grants),
    credentialId: robot.credentialId,
    createdAt: new Date(robot.createdAt).toISOString(),
    expiresAt: robot.expiresAt === undefined ? undefined : new Date(robot.expiresAt).toISOString(),
  }
}

function cells(robot: RobotRecord): string[] {
  const grants = parseGrants(robot.grants)
  return [
    robot.name,
    grants.flatMap(({ repositories }) => repositories).join(','),
    [...new Set(grants.flatMap((grant) => grant.actions))].join(','),
    robot.expiresAt === undefined ? 'never' : new Date(robot.expiresAt).toISOString().slice(0, 10),
    robot.description ?? '',
  ]
}

function until({ expiresAt }: RobotRecord): string {
  return expiresAt === undefined ? 'until it is revoked' : `until ${new Date(expiresAt).toISOString()}`
}
