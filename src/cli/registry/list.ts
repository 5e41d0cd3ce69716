import { Command, Option } from 'commander'
import type { RegistryClient } from '../../upstream/registry-client.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { counted } from '../../counted.ts'
import { listOutputs, outputOption, type Output } from '../result/output.ts'
import { printLine, printNames, printResult } from '../result/print-result.ts'
import type { Terminal } from '../streams.ts'
import { lookOf, noTrunc, printTable } from '../table.ts'
import { repositoryPages, repositoryTable, type RepositoryRow } from './repository-rows.ts'
import { tagPages, tagTable, type TagRow } from './tag-rows.ts'
import { addConnectOptions, type RegistryOptions } from '../way/connect-options.ts'
import { parseNamed, type NamedTarget } from '../way/named-target.ts'
import type { RegistryWay } from '../way/registry-way.ts'
import { withRegistry } from '../way/with-way.ts'
import { examples } from '../help/examples.ts'
import { printUntagged } from './untagged.ts'

interface ListOptions extends RegistryOptions {
  readonly output: Output
  readonly trunc: boolean
  readonly untagged?: boolean
  readonly limit?: number
  readonly after?: string
}

export function listCommand({ terminal }: CommandContext): Command {
  const command = new Command('list')
    .alias('ls')
    .description('list the repositories of a registry, or the tags of a repository')
    .addHelpText(
      ...examples(
        'trow list',
        'trow list team/app',
        'trow list team/app --untagged',
        'trow list --registry registry.example.com -o json',
      ),
    )
    .argument(
      '[name]',
      'HOST:PORT, HOST:PORT/REPOSITORY, or REPOSITORY of TROW_REGISTRY, else of the registry in the cluster, else of the server that runs here',
    )
    .addOption(outputOption(...listOutputs))
    .addOption(new Option('--limit <n>', 'how many at most (default: all)').argParser(parseLimit))
    .option('--after <name>', 'only what comes behind this tag or repository')
    .option('--untagged', 'the manifests of a repository that no tag, no index and no subject needs')
    .option(...noTrunc)
  return addConnectOptions(command).action(async (name: string | undefined, options: ListOptions) => {
    const named = parseNamed(name, options, terminal)
    const untaggedOf = options.untagged === true ? needRepository(name, named) : undefined
    await withRegistry(named, options, terminal, async (client, { way }) => {
      const { repository } = named
      if (untaggedOf !== undefined)
        return await printUntagged(
          client,
          { repository: untaggedOf, place: name ?? untaggedOf },
          options,
          terminal,
        )
      if (repository === undefined)
        return await printRepositories(client, { options, place: name, way }, terminal)
      await printTags(client, { repository, place: name ?? repository }, options, terminal)
    })
  })
}

function parseLimit(text: string): number {
  const limit = Number(text)
  if (Number.isSafeInteger(limit) && limit > 0) return limit
  throw new UserError('OPTION_INVALID', `--limit: "${text}" is no whole number above 0`, {
    hint: 'Write how many to list: --limit 50.',
    exitCode: exitCode.usage,
  })
}

function needRepository(given: string | undefined, { repository, reference }: NamedTarget): RepositoryName {
  if (repository !== undefined && reference === undefined) return repository
  const message = `${given === undefined ? '--untagged' : `"${given}"`} names no repository`
  throw new UserError('REFERENCE_INVALID', message, {
    hint: 'Write trow list REPOSITORY --untagged.',
    exitCode: exitCode.usage,
  })
}

async function printTags(
  client: RegistryClient,
  { repository, place }: { readonly repository: RepositoryName; readonly place: string },
  { output, trunc, after, limit = Infinity }: ListOptions,
  terminal: Terminal,
): Promise<void> {
  const { stdout, stderr, env } = terminal
  const all: TagRow[] = []
  let isCut = false
  for await (const { rows, hasMore } of tagPages(client, repository, { after, limit })) {
    if (output === 'name') await printNames(rows.map(nameOf), terminal)
    else if (output === 'jsonl') for (const row of rows) await printLine('Tag', row, terminal)
    else all.push(...rows)
    isCut = hasMore
  }
  const last = all.at(-1)?.tag
  if (output === 'json' || output === 'yaml')
    return printResult('TagList', { items: all, next: isCut ? last : undefined }, output, terminal)
  if (output !== 'text') return
  if (all.length === 0) {
    stderr.write(`nothing is in ${repository}${after === undefined ? '' : ` behind ${after}`}\n`)
    return
  }
  stdout.write(printTable(tagTable(all), lookOf(stdout, env, { trunc })))
  const more = isCut ? `, and there are more: trow list ${place} --after ${last}` : ''
  stderr.write(`${counted(all.length, 'tag')}${more}\n`)
}

function nameOf({ repository, tag }: TagRow): string {
  return `${repository}:${tag}`
}

async function printRepositories(
  client: RegistryClient,
  {
    options,
    place,
    way,
  }: { readonly options: ListOptions; readonly place: string | undefined; readonly way: RegistryWay },
  terminal: Terminal,
): Promise<void> {
  const { output, trunc, after, limit = Infinity } = options
  const { stdout, stderr, env } = terminal
  const all: RepositoryRow[] = []
  let isCut = false
  const page = { after, limit, isNamesOnly: output === 'name' }
  for await (const { rows, hasMore } of repositoryPages(client, page)) {
    if (output === 'name')
      await printNames(
        rows.map(({ repository }) => repository),
        terminal,
      )
    else if (output === 'jsonl') for (const row of rows) await printLine('Repository', row, terminal)
    else all.push(...rows)
    isCut = hasMore
  }
  const last = all.at(-1)?.repository
  if (output === 'json' || output === 'yaml')
    return printResult('RepositoryList', { items: all, next: isCut ? last : undefined }, output, terminal)
  if (output !== 'text') return
  if (all.length === 0) {
    const isNobody = way.credentialOrigin?.kind === 'none'
    const shown = isNobody ? ', or nothing that is shown without a login' : ''
    stderr.write(`nothing is in the registry${after === undefined ? '' : ` behind ${after}`}${shown}\n`)
    return
  }
  stdout.write(printTable(repositoryTable(all), lookOf(stdout, env, { trunc })))
  const again = ['trow list', ...(place === undefined ? [] : [place]), `--after ${last}`].join(' ')
  const more = isCut ? `, and there are more: ${again}` : ''
  stderr.write(`${counted(all.length, 'repository', 'repositories')}${more}\n`)
}
