import { Command, Option } from 'commander'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { RegistryClient, RemoteReferrer } from '../../upstream/registry-client.ts'
import type { CommandContext } from '../command-context.ts'
import { humanSize } from '../../settings/quantities.ts'
import { visibleLine } from '../../visible-text.ts'
import { loadImage, platformName, type Image } from './image.ts'
import { needReference } from './need-reference.ts'
import { addConnectOptions, parseNamed, printReference, withRegistry, type ConnectOptions } from './target.ts'

interface ReferrerTree extends RemoteReferrer {
  readonly referrers: readonly ReferrerTree[]
}

const deepest = 5

export function inspectCommand({ terminal }: CommandContext): Command {
  const command = new Command('inspect')
    .description('show a manifest with its platforms, layers, sizes and referrers')
    .argument('<reference>', '[HOST:PORT/]REPOSITORY[:TAG|@DIGEST]')
    .addOption(new Option('-o, --output <format>', 'text or json').choices(['text', 'json']).default('text'))
  return addConnectOptions(command).action(
    async (name: string, options: ConnectOptions & { output: string }) => {
      const named = parseNamed(name, options, terminal)
      const { repository, reference } = needReference(name, named, 'latest')
      await withRegistry(named, options, terminal, async (client) => {
        const image = await loadImage(client, repository, reference)
        const referrers = await referrerTree(client, repository, image.digest, deepest)
        if (options.output === 'json')
          terminal.exact.stdout.write(`${JSON.stringify({ ...image, referrers }, undefined, 2)}\n`)
        else terminal.stdout.write(printImage(printReference(repository, reference), image, referrers))
      })
    },
  )
}

async function referrerTree(
  client: RegistryClient,
  repository: RepositoryName,
  subject: Digest,
  depth: number,
): Promise<ReferrerTree[]> {
  if (depth === 0) return []
  const found = await client.referrers(repository, subject)
  return Promise.all(
    found.map(async (each) => ({
      ...each,
      referrers: await referrerTree(client, repository, each.digest, depth - 1),
    })),
  )
}

function printImage(name: string, image: Image, referrers: readonly ReferrerTree[]): string {
  const { manifest, digest, size, platforms, created, manifestSize } = image
  const lines = [
    name,
    `  digest      ${digest}`,
    `  type        ${manifest.mediaType}`,
    ...(manifest.artifactType === undefined ? [] : [`  artifact    ${manifest.artifactType}`]),
    `  size        ${humanSize(size)} (manifest ${humanSize(manifestSize)})`,
    ...(platforms.length === 0 ? [] : [`  platforms   ${platforms.join(', ')}`]),
    ...(created === undefined ? [] : [`  created     ${created}`]),
    ...(manifest.subject === undefined ? [] : [`  subject     ${manifest.subject.digest}`]),
    ...Object.entries(manifest.annotations ?? {}).map(
      ([key, value]) => `  annotation  ${key}=${value.length > 200 ? `${value.slice(0, 200)}…` : value}`,
    ),
  ]
  if (manifest.config !== undefined) {
    lines.push(`  config      ${manifest.config.digest}  ${humanSize(manifest.config.size)}`)
  }
  for (const layer of manifest.layers) lines.push(`  layer       ${layer.digest}  ${humanSize(layer.size)}`)
  for (const child of manifest.manifests) {
    const platform = child.platform === undefined ? child.mediaType : platformName(child.platform)
    lines.push(`  manifest    ${child.digest}  ${platform}`)
  }
  if (referrers.length > 0) lines.push('  referrers', ...printTree(referrers, '    '))
  return lines.map((line) => `${visibleLine(line)}\n`).join('')
}

function printTree(referrers: readonly ReferrerTree[], indent: string): string[] {
  return referrers.flatMap(({ digest, artifactType, mediaType, referrers: below }) => [
    `${indent}${digest}  ${artifactType ?? mediaType}`,
    ...printTree(below, `${indent}  `),
  ])
}
