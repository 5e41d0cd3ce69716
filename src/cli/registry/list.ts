import { Command, Option } from 'commander'
import { OciError } from '../../oci/oci-error.ts'
import { parseTag } from '../../oci/tag.ts'
import type { RegistryClient } from '../../upstream/registry-client.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { humanSize } from '../../settings/quantities.ts'
import type { Terminal } from '../streams.ts'
import { loadImage } from './image.ts'
import { printTable } from './table.ts'
import { addConnectOptions, parseNamed, withRegistry, type ConnectOptions, type Named } from './target.ts'
import { listUntagged, noRepository, untaggedFate, untaggedTable } from './untagged.ts'

export function listCommand({ terminal }: CommandContext): Command {
  const command = new Command('list')
    .alias('ls')
    .description('list the repositories of a registry, or the tags of a repository')
    .argument(
      '[name]',
      'HOST:PORT, HOST:PORT/REPOSITORY, or REPOSITORY of TROW_REGISTRY, else of the registry in the cluster, else of 127.0.0.1:8000',
    )
    .addOption(new Option('-o, --output <format>', 'text or json').choices(['text', 'json']).default('text'))
    .option('--untagged', 'the manifests of a repository that no tag, no index and no subject needs')
  return addConnectOptions(command).action(
    async (name: string | undefined, options: ConnectOptions & { output: string; untagged?: boolean }) => {
      const named = parseNamed(name, options, terminal)
      const untaggedOf = options.untagged === true ? needRepository(name, named) : undefined
      await withRegistry(named, options, terminal, async (client) => {
        if (untaggedOf !== undefined)
          return await printUntagged(client, { repository: untaggedOf, place: name }, options, terminal)
        const rows =
          named.repository === undefined ? await repositories(client) : await tags(client, named.repository)
        if (options.output === 'json') terminal.exact.stdout.write(`${JSON.stringify(rows)}\n`)
        else if (rows.length === 0)
          terminal.stderr.write(`nothing is in ${named.repository ?? named.origin ?? 'the registry'}\n`)
        else terminal.stdout.write(printTable(toCells(rows)))
      })
    },
  )
}

type Row = { readonly repository: string } | TagRow

type TagRow =
  | {
      readonly tag: string
      readonly digest: string
      readonly bytes: number
      readonly platforms: readonly string[]
      readonly created: string | undefined
    }
  | { readonly tag: string; readonly problem: string }

function needRepository(given: string | undefined, { repository, reference }: Named): RepositoryName {
  if (repository !== undefined && reference === undefined) return repository
  const message = `${given === undefined ? '--untagged' : `"${given}"`} names no repository`
  throw new UserError('REFERENCE_INVALID', message, {
    hint: 'Write trow list REPOSITORY --untagged.',
    exitCode: exitCode.usage,
  })
}

async function printUntagged(
  client: RegistryClient,
  {
    repository,
    place = repository,
  }: { readonly repository: RepositoryName; readonly place: string | undefined },
  { output }: { readonly output: string },
  { stdout, stderr, exact }: Terminal,
): Promise<void> {
  const found = await listUntagged(client, repository)
  if (output === 'json') exact.stdout.write(`${JSON.stringify(found)}\n`)
  else if (found.manifests.length === 0) stderr.write(`nothing in ${repository} is untagged\n`)
  else {
    stdout.write(untaggedTable(found, Date.now()))
    stderr.write(untaggedFate(repository, place, found))
  }
}

async function repositories(client: RegistryClient): Promise<Row[]> {
  const rows: Row[] = []
  for await (const repository of client.repositories()) rows.push({ repository })
  return rows
}

async function tags(client: RegistryClient, repository: RepositoryName): Promise<Row[]> {
  const found = await client.tags(repository)
  if (found === undefined) throw noRepository(repository)
  const rows: Row[] = []
  for (const tag of found) {
    rows.push(await tagRow(client, repository, tag))
  }
  return rows
}

/** One image that cannot be shown does not keep the others from being listed. */
async function tagRow(client: RegistryClient, repository: RepositoryName, tag: string): Promise<TagRow> {
  try {
    const { digest, size, platforms, created } = await loadImage(client, repository, parseTag(tag))
    return { tag, digest, bytes: size, platforms, created }
  } catch (error) {
    const isOne = error instanceof OciError || (error instanceof UserError && unshowable.includes(error.code))
    if (!isOne) throw error
    return { tag, problem: error.message }
  }
}

/** It is gone since its tag was listed, or is no manifest. */
const unshowable = ['NOT_FOUND', 'MANIFEST_UNREADABLE']

function toCells(rows: readonly Row[]): string[][] {
  return rows.flatMap((row, index) => {
    if ('repository' in row) return [[row.repository]]
    const cells =
      'problem' in row
        ? [row.tag, '-', '-', '-', '-', row.problem]
        : [
            row.tag,
            row.digest.slice(0, 19),
            humanSize(row.bytes),
            row.platforms.join(',') || '-',
            row.created?.slice(0, 10) ?? '-',
          ]
    return index === 0 ? [['TAG', 'DIGEST', 'SIZE', 'PLATFORMS', 'CREATED'], cells] : [cells]
  })
}
