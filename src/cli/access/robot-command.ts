import { randomBytes } from 'node:crypto'
import { Command, Option } from 'commander'
import { actions, robotPrefix, type Action } from '../../access/principal.ts'
import { grantsProblem, makeRobot, parseGrants, robotNameProblem } from '../../access/robots.ts'
import type { RobotRecord } from '../../metadata/access-store.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { parseDuration } from '../../settings/quantities.ts'
import { printTable } from '../registry/table.ts'
import { addSettingOptions, settingsOf } from '../setting-options.ts'
import { RobotRegistry } from './robot-registry.ts'

interface CreateOptions {
  readonly repository: readonly string[]
  readonly action: readonly string[]
  readonly expires: string
  readonly description?: string
  readonly output: string
}

export function robotCommand(context: CommandContext): Command {
  const command = new Command('robot').description(
    'accounts of machines: a random secret, bound to repositories and actions, and expiring',
  )
  for (const child of [createCommand(context), listCommand(context), revokeCommand(context)])
    command.addCommand(child)
  return command
}

function createCommand({ terminal }: CommandContext): Command {
  const command = output(new Command('create'))
    .description('make a robot and show its secret, once')
    .argument('<name>')
    .requiredOption('--repository <pattern...>', 'where: team-a/** (any depth), team-a/* (one segment), app')
    .requiredOption('--action <action...>', `what: ${actions.join(', ')}`)
    .option('--expires <duration>', 'how long the secret holds: 30d, 12h, or never', '90d')
    .option('--description <text>', 'what it is for')
  addSettingOptions(command, ['data'])
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
    if (!(await new RobotRegistry(settings).add(robot))) {
      throw new UserError('ROBOT_EXISTS', `there is a robot "${name}" already`, {
        hint: `trow robot revoke ${name} takes it away; then the name is free.`,
      })
    }
    const granted = grants[0]?.actions ?? []
    if (granted.includes('push') && !granted.includes('pull'))
      terminal.stderr.write('note: clients look before they push; without --action pull they will fail\n')
    if (options.output === 'json') {
      terminal.exact.stdout.write(`${JSON.stringify({ ...shown(robot), password: secret })}\n`)
      return
    }
    terminal.stdout.write(`user name  ${robotPrefix}${name}\npassword   ${secret}\n`)
    terminal.stderr.write(`It holds ${until(robot)} and is shown only now.\n`)
  })
}

function listCommand({ terminal }: CommandContext): Command {
  const command = output(new Command('list')).description('list the robots, without their secrets')
  addSettingOptions(command, ['data'])
  return command.action(async (options: { readonly output: string } & Record<string, unknown>) => {
    const robots = await new RobotRegistry((await settingsOf(options, terminal)).settings).list()
    if (options.output === 'json') terminal.exact.stdout.write(`${JSON.stringify(robots.map(shown))}\n`)
    else if (robots.length === 0) terminal.stderr.write('there are no robots\n')
    else
      terminal.stdout.write(
        printTable([['NAME', 'REPOSITORIES', 'ACTIONS', 'EXPIRES', 'DESCRIPTION'], ...robots.map(cells)]),
      )
  })
}

function revokeCommand({ terminal }: CommandContext): Command {
  const command = new Command('revoke')
    .description('take a robot away; within ten seconds it is refused everywhere')
    .argument('<name>')
  addSettingOptions(command, ['data'])
  return command.action(async (given: string, options: Record<string, unknown>) => {
    const name = given.startsWith(robotPrefix) ? given.slice(robotPrefix.length) : given
    if (!(await new RobotRegistry((await settingsOf(options, terminal)).settings).remove(name))) {
      throw new UserError('ROBOT_UNKNOWN', `there is no robot "${name}"`, {
        hint: 'trow robot list shows all.',
      })
    }
    terminal.stdout.write(`revoked ${robotPrefix}${name}\n`)
  })
}

function output(command: Command): Command {
  return command.addOption(
    new Option('-o, --output <format>', 'text or json').choices(['text', 'json']).default('text'),
  )
}

/** Repeated, or separated by commas. */
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

function shown(robot: RobotRecord): object {
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
