import { existsSync } from 'node:fs'
import { Command } from 'commander'
import { hashPassword } from '../../access/bcrypt.ts'
import { userNameProblem } from '../../access/htpasswd.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { lookOf, printTable } from '../table.ts'
import { htpasswdOf, type HtpasswdOptions } from './htpasswd-option.ts'
import { writeUser } from '../../serve/access/htpasswd-file.ts'
import { newPassword } from './password-input.ts'
import { listOutputs, objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printList, printResult } from '../result/print-result.ts'
import { readHtpasswd } from '../../serve/access/watched-htpasswd.ts'
import { examples } from '../help/examples.ts'

type UserOptions = HtpasswdOptions & { readonly output: Output }

export function userCommand({ terminal }: CommandContext): Command {
  const command = new Command('user')
    .description('manage password users, in an htpasswd file that trow serve reads again')
    .addHelpText(...examples('trow user add alice --htpasswd users', 'trow serve --htpasswd users'))
  const file = (child: Command): Command =>
    child
      .option('--htpasswd <file>', 'htpasswd file (default: TROW_HTPASSWD, or that of trow.yaml)')
      .option('--config <file>', 'a trow.yaml with settings')

  const add = file(new Command('add'))
    .description('add a user; the password is asked for, or read from stdin')
    .addHelpText(
      ...examples(
        'trow user add alice --htpasswd users',
        'printf %s "$PASSWORD" | trow user add ci --htpasswd users',
      ),
    )
    .argument('<name>', 'name of the user')
    .addOption(outputOption(...objectOutputs))
    .option('--cost <n>', 'rounds of bcrypt, as a power of two', '10')
    .action(async (name: string, options: UserOptions & { cost: string }) => {
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
      if (options.output === 'text') terminal.stdout.write(`added ${name} to ${path}\n`)
      else await printResult('UserChange', { name, file: path, change: 'added' }, options.output, terminal)
    })

  const passwd = file(new Command('passwd'))
    .description('give a user a new password')
    .addHelpText(...examples('trow user passwd alice --htpasswd users'))
    .argument('<name>', 'name of the user')
    .addOption(outputOption(...objectOutputs))
    .option('--cost <n>', 'rounds of bcrypt, as a power of two', '10')
    .action(async (name: string, options: UserOptions & { cost: string }) => {
      const path = await htpasswdOf(options, terminal)
      needUser(path, name)
      const cost = parseCost(options.cost)
      writeUser(path, name, await hashPassword(await newPassword(terminal, name), cost))
      if (options.output === 'text') terminal.stdout.write(`${name} has a new password in ${path}\n`)
      else await printResult('UserChange', { name, file: path, change: 'changed' }, options.output, terminal)
    })

  const remove = file(new Command('rm'))
    .description('remove a user')
    .addHelpText(...examples('trow user rm alice --htpasswd users'))
    .argument('<name>', 'name of the user')
    .addOption(outputOption(...objectOutputs))
    .action(async (name: string, options: UserOptions) => {
      const path = await htpasswdOf(options, terminal)
      needUser(path, name)
      writeUser(path, name, undefined)
      if (options.output === 'text') terminal.stdout.write(`removed ${name} from ${path}\n`)
      else await printResult('UserChange', { name, file: path, change: 'removed' }, options.output, terminal)
    })

  const list = file(new Command('list'))
    .description('list the users')
    .addHelpText(...examples('trow user list --htpasswd users'))
    .addOption(outputOption(...listOutputs))
    .action(async (options: UserOptions) => {
      const users = [...readHtpasswd(await htpasswdOf(options, terminal))].map(([name, hashed]) => ({
        name,
        cost: Number(hashed.slice(4, 6)),
      }))
      const { output } = options
      if (output !== 'text')
        await printList('UserList', users, { output, terminal, nameOf: ({ name }) => name })
      else if (users.length === 0) terminal.stderr.write('there are no users\n')
      else
        terminal.stdout.write(
          printTable(
            [['NAME', 'COST'], ...users.map(({ name, cost }) => [name, String(cost)])],
            lookOf(terminal.stdout, terminal.env),
          ),
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
