import { existsSync } from 'node:fs'
import { Command, Option } from 'commander'
import { hashPassword } from '../../access/bcrypt.ts'
import { userNameProblem } from '../../access/htpasswd.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { printTable } from '../registry/table.ts'
import { htpasswdOf, type HtpasswdOptions } from './htpasswd-option.ts'
import { writeUser } from '../../serve/access/htpasswd-file.ts'
import { newPassword } from './password-input.ts'
import { readHtpasswd } from '../../serve/access/watched-htpasswd.ts'

export function userCommand({ terminal }: CommandContext): Command {
  const command = new Command('user').description(
    'password users, in an htpasswd file that trow serve reads again',
  )
  const file = (child: Command): Command =>
    child
      .option('--htpasswd <file>', 'the file (default: TROW_HTPASSWD, or of trow.yaml)')
      .option('--config <file>', 'a trow.yaml with settings')

  const add = file(new Command('add'))
    .description('add a user; the password is asked for, or read from stdin')
    .argument('<name>')
    .option('--cost <n>', 'rounds of bcrypt, as a power of two', '10')
    .action(async (name: string, options: HtpasswdOptions & { cost: string }) => {
      const path = await htpasswdOf(options, terminal)
      const problem = userNameProblem(name)
      if (problem !== undefined || name === 'system')
        throw new UserError('USER_NAME_INVALID', problem ?? 'names of a cluster begin with "system"', {
          exitCode: exitCode.usage,
        })
      if (existsSync(path) && readHtpasswd(path).has(name)) {
        throw new UserError('USER_EXISTS', `${path} has a user "${name}" already`, {
          hint: `trow user passwd ${name} gives a new password.`,
        })
      }
      const cost = parseCost(options.cost)
      writeUser(path, name, await hashPassword(await newPassword(terminal, name), cost))
      terminal.stdout.write(`added ${name} to ${path}\n`)
    })

  const passwd = file(new Command('passwd'))
    .description('give a user a new password')
    .argument('<name>')
    .option('--cost <n>', 'rounds of bcrypt, as a power of two', '10')
    .action(async (name: string, options: HtpasswdOptions & { cost: string }) => {
      const path = await htpasswdOf(options, terminal)
      needUser(path, name)
      const cost = parseCost(options.cost)
      writeUser(path, name, await hashPassword(await newPassword(terminal, name), cost))
      terminal.stdout.write(`${name} has a new password in ${path}\n`)
    })

  const remove = file(new Command('rm'))
    .description('remove a user')
    .argument('<name>')
    .action(async (name: string, options: HtpasswdOptions) => {
      const path = await htpasswdOf(options, terminal)
      needUser(path, name)
      writeUser(path, name, undefined)
      terminal.stdout.write(`removed ${name} from ${path}\n`)
    })

  const list = file(new Command('list'))
    .description('list the users')
    .addOption(new Option('-o, --output <format>', 'text or json').choices(['text', 'json']).default('text'))
    .action(async (options: HtpasswdOptions & { output: string }) => {
      const users = [...readHtpasswd(await htpasswdOf(options, terminal))].map(([name, hashed]) => ({
        name,
        cost: Number(hashed.slice(4, 6)),
      }))
      if (options.output === 'json') terminal.exact.stdout.write(`${JSON.stringify(users)}\n`)
      else if (users.length === 0) terminal.stderr.write('there are no users\n')
      else
        terminal.stdout.write(
          printTable([['NAME', 'COST'], ...users.map(({ name, cost }) => [name, String(cost)])]),
        )
    })

  for (const child of [add, passwd, remove, list]) command.addCommand(child)
  return command
}

function needUser(path: string, name: string): void {
  if (readHtpasswd(path).has(name)) return
  throw new UserError('USER_UNKNOWN', `${path} has no user "${name}"`, { hint: 'trow user list shows all.' })
}

function parseCost(text: string): number {
  const cost = Number(text)
  if (Number.isInteger(cost) && cost >= 8 && cost <= 16) return cost
  throw new UserError('CONFIG_INVALID', `--cost: "${text}" is no whole number from 8 to 16`, {
    exitCode: exitCode.usage,
  })
}
