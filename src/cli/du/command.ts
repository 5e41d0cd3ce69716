import { Command } from 'commander'
import type { Digest } from '../../oci/digest.ts'
import { parseRepositoryName, type RepositoryName } from '../../oci/repository-name.ts'
import { counted } from '../../counted.ts'
import { humanSize } from '../../settings/quantities.ts'
import type { RegistryClient } from '../../upstream/registry-client.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printResult } from '../result/print-result.ts'
import type { Terminal } from '../streams.ts'
import { lookOf, noTrunc, printTable } from '../table.ts'
import { addConnectOptions, type RegistryOptions } from '../way/connect-options.ts'
import { parseNamed, printReference } from '../way/named-target.ts'
import { withRegistry } from '../way/with-way.ts'
import { ContentGraph } from './content-graph.ts'
import { readRepository, type RepositoryContent } from './read-repository.ts'
import { imageUsages, referenceUsage, rootsOf, type RepositoryUsage } from './usage.ts'

interface DuOptions extends RegistryOptions {
  readonly output: Output
  readonly all?: boolean
}

export function duCommand({ terminal }: CommandContext): Command {
  const command = new Command('du')
    .description('show what a registry, a repository or an image costs, and what its deletion would free')
    .argument('[name]', '[HOST[:PORT]/]REPOSITORY[:TAG|@DIGEST] (default: the whole registry)')
    .option('--all', 'look at the other repositories too: what they share is not freed')
    .option(...noTrunc)
    .addOption(outputOption(...objectOutputs))
    .addHelpText(
      'after',
      `
SIZE counts content that is shared once. FREES is what goes when nothing else needs it: manifests, their blobs,
and what refers to them. A registry frees it when it collects garbage; trow keeps an untagged manifest as long
as its rules of "untagged" say.

Examples:
  trow du
  trow du team/app
  trow du team/app:1.4 --all`,
    )
  return addConnectOptions(command).action(async (name: string | undefined, options: DuOptions) => {
    const named = parseNamed(name, options, terminal)
    const { repository, reference } = named
    if (repository === undefined && options.all === true) {
      throw new UserError('OPTIONS_CONFLICT', '--all is for a repository; without one it is all of them', {
        hint: 'Leave it out, or write trow du REPOSITORY --all.',
        exitCode: exitCode.usage,
      })
    }
    await withRegistry(named, options, terminal, async (client) => {
      if (repository === undefined) return printRegistry(await registryUsage(client), options, terminal)
      const graph = new ContentGraph()
      const content = await readRepository(client, repository, graph)
      const shared = options.all === true ? await contentOfOthers(client, repository) : new Set<Digest>()
      if (reference === undefined) {
        const images = imageUsages(graph, content, shared)
        const bytes = graph.bytes(graph.reached(rootsOf(content)))
        if (options.output !== 'text')
          return printResult('RepositoryUsage', { repository, bytes, images }, options.output, terminal)
        const rows = images.map((image) => [
          image.tag ?? '-',
          image.digest,
          humanSize(image.bytes),
          humanSize(image.frees),
        ])
        rows.push(['total', '', humanSize(bytes), ''])
        printRows([['TAG', 'DIGEST', 'SIZE', 'FREES'], ...rows], options, terminal)
      } else {
        const usage = referenceUsage(graph, content, { repository, reference, shared })
        if (options.output !== 'text') {
          const result = { repository, reference, ...usage }
          return printResult('ImageUsage', result, options.output, terminal)
        }
        const why = usage.neededBy === undefined ? '' : `: ${usage.neededBy} needs it`
        terminal.stdout.write(
          `${printReference(repository, reference)}\n` +
            `  digest  ${usage.digest}\n` +
            `  size    ${humanSize(usage.bytes)}\n` +
            `  frees   ${humanSize(usage.frees)}${why}\n`,
        )
      }
      if (options.all !== true)
        terminal.stderr.write('what other repositories share is not looked at: --all does\n')
    })
  })
}

interface RegistryUsage {
  readonly bytes: number
  readonly repositories: readonly RepositoryUsage[]
}

/** One repository is read after the other; what is kept of each is its digests. */
async function registryUsage(client: RegistryClient): Promise<RegistryUsage> {
  const all = new ContentGraph()
  const found: { readonly name: string; readonly content: RepositoryContent; readonly held: Set<Digest> }[] =
    []
  const holders = new Map<Digest, number>()
  for await (const { name, content, graph } of readAll(client)) {
    const held = graph.reached(rootsOf(content))
    for (const digest of held) {
      holders.set(digest, (holders.get(digest) ?? 0) + 1)
      all.add(digest, { size: graph.bytes([digest]), keeps: [] })
    }
    found.push({ name, content, held })
  }
  const repositories = found.map(({ name, content, held }) => ({
    repository: name,
    tags: content.tags.length,
    manifests: content.manifests.size,
    bytes: all.bytes(held),
    frees: all.bytes([...held].filter((digest) => holders.get(digest) === 1)),
  }))
  return { bytes: all.bytes(holders.keys()), repositories }
}

async function contentOfOthers(client: RegistryClient, own: RepositoryName): Promise<Set<Digest>> {
  const shared = new Set<Digest>()
  for await (const { content, graph } of readAll(client, own)) {
    for (const digest of graph.reached(rootsOf(content))) shared.add(digest)
  }
  return shared
}

async function* readAll(
  client: RegistryClient,
  except?: RepositoryName,
): AsyncGenerator<{
  readonly name: string
  readonly content: RepositoryContent
  readonly graph: ContentGraph
}> {
  for await (const name of client.repositories()) {
    if (name === except) continue
    const graph = new ContentGraph()
    try {
      yield { name, content: await readRepository(client, parseRepositoryName(name), graph), graph }
    } catch (error) {
      // It was removed after it was listed, or is listed although it is empty.
      if (!(error instanceof UserError) || error.code !== 'NOT_FOUND') throw error
    }
  }
}

async function printRegistry(
  { bytes, repositories }: RegistryUsage,
  options: DuOptions,
  terminal: Terminal,
): Promise<void> {
  if (options.output !== 'text')
    return printResult('RegistryUsage', { bytes, repositories }, options.output, terminal)
  const rows = repositories.map((each) => [
    each.repository,
    String(each.tags),
    String(each.manifests),
    humanSize(each.bytes),
    humanSize(each.frees),
  ])
  rows.push([counted(rows.length, 'repository', 'repositories'), '', '', humanSize(bytes), ''])
  printRows([['REPOSITORY', 'TAGS', 'MANIFESTS', 'SIZE', 'FREES'], ...rows], options, terminal)
}

function printRows(
  rows: readonly (readonly string[])[],
  options: DuOptions,
  { stdout, env }: Terminal,
): void {
  stdout.write(printTable(rows, lookOf(stdout, env, options)))
}
