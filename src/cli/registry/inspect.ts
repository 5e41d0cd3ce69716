import { Command } from 'commander'
import type { Digest } from '../../oci/digest.ts'
import { isIndexType } from '../../oci/media-types.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Reference } from '../../oci/tag.ts'
import { parsePlatform } from '../../push/select-platform.ts'
import type { RegistryClient, RemoteReferrer } from '../../upstream/registry-client.ts'
import type { CommandContext } from '../command-context.ts'
import { widthOf } from '../display.ts'
import { humanSize } from '../../settings/quantities.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printResult, type Result } from '../result/print-result.ts'
import { visibleLine } from '../../visible-text.ts'
import { historyLines, loadHistory, type History } from './history.ts'
import { configLines, platformName, type ShownConfig } from './image-config.ts'
import { ImageReader, type RegistryImage } from './image.ts'
import { inspectedConfig } from './inspected-config.ts'
import { needReference } from './need-reference.ts'
import { addConnectOptions, type RegistryOptions } from '../way/connect-options.ts'
import { parseImageName, printReference } from '../way/named-target.ts'
import { withRegistry } from '../way/with-way.ts'
import { examples } from '../help/examples.ts'

interface ReferrerTree extends RemoteReferrer {
  readonly referrers: readonly ReferrerTree[]
}

const deepest = 5

interface InspectOptions extends RegistryOptions {
  readonly output: Output
  readonly platform?: string
}

export function inspectCommand({ terminal }: CommandContext): Command {
  const command = new Command('inspect')
    .description('show a manifest with its platforms, layers, sizes, configuration, referrers and history')
    .addHelpText(
      ...examples(
        'trow inspect team/app:1.4',
        'trow inspect registry.example.com/team/app@sha256:9c1b… -o json',
      ),
    )
    .argument('<reference>', '[HOST:PORT/]REPOSITORY[:TAG|@DIGEST]')
    .option('--platform <os/arch>', "whose configuration to show of an index (default: this machine's)")
    .addOption(outputOption(...objectOutputs))
  return addConnectOptions(command).action(async (name: string, options: InspectOptions) => {
    const named = parseImageName(name, options, terminal)
    const { repository, reference } = needReference(name, named, 'latest')
    const platform = options.platform === undefined ? undefined : parsePlatform(options.platform)
    await withRegistry(named, options, terminal, async (client) => {
      const reader = new ImageReader(client, repository)
      const image = await reader.load(reference)
      const [referrers, history, config] = await Promise.all([
        referrerTree(client, repository, image.digest, deepest),
        loadHistory(client, { repository, reference, digest: image.digest }),
        inspectedConfig(reader, image, { name, platform }),
      ])
      const inspected = { repository, reference, image, history, config, referrers }
      if (options.output !== 'text')
        return printResult('Image', resultOf(inspected), options.output, terminal)
      terminal.stdout.write(printImage(inspected, widthOf(terminal.stdout)))
    })
  })
}

interface Inspected {
  readonly repository: RepositoryName
  readonly reference: Reference
  readonly image: RegistryImage
  readonly history: History
  readonly config: ShownConfig | undefined
  readonly referrers: readonly ReferrerTree[]
}

function resultOf(inspected: Inspected): Result<'Image'> {
  const { repository, reference, image, history, config, referrers } = inspected
  const { digest, manifest, manifestSize, size, platforms, created } = image
  const { mediaType, artifactType, annotations, subject, config: descriptor, layers, manifests } = manifest
  return {
    repository,
    reference,
    digest,
    mediaType,
    artifactType,
    size: manifestSize,
    bytes: size,
    platforms,
    created,
    ...history,
    annotations,
    subject,
    config: descriptor,
    layers,
    manifests,
    image: config,
    referrers,
  }
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

function printImage(
  { repository, reference, image, history, config, referrers }: Inspected,
  width: number | undefined,
): string {
  const { manifest, digest, size, platforms, created, manifestSize } = image
  const lines = [
    printReference(repository, reference),
    `  digest      ${digest}`,
    `  type        ${manifest.mediaType}`,
    ...(manifest.artifactType === undefined ? [] : [`  artifact    ${manifest.artifactType}`]),
    `  size        ${humanSize(size)} (manifest ${humanSize(manifestSize)})`,
    ...(platforms.length === 0 ? [] : [`  platforms   ${platforms.join(', ')}`]),
    ...(created === undefined ? [] : [`  created     ${created}`]),
    ...historyLines(history),
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
  if (config !== undefined)
    lines.push(...configLines(config, { isOfIndex: isIndexType(manifest.mediaType), width }))
  if (referrers.length > 0) lines.push('  referrers', ...printTree(referrers, '    '))
  return lines.map((line) => `${visibleLine(line)}\n`).join('')
}

function printTree(referrers: readonly ReferrerTree[], indent: string): string[] {
  return referrers.flatMap(({ digest, artifactType, mediaType, referrers: below }) => [
    `${indent}${digest}  ${artifactType ?? mediaType}`,
    ...printTree(below, `${indent}  `),
  ])
}
