import { Command } from 'commander'
import { OciError } from '../../oci/oci-error.ts'
import { parseTag, type Tag } from '../../oci/tag.ts'
import { UpstreamFault } from '../../upstream/upstream-fault.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printResult } from '../result/print-result.ts'
import { loadManifest } from './image.ts'
import { needReference } from './need-reference.ts'
import { addConnectOptions, type RegistryOptions } from '../way/connect-options.ts'
import { parseImageName, printReference } from '../way/named-target.ts'
import { withPusher, withRegistry } from '../way/with-way.ts'

export function tagCommand({ terminal }: CommandContext): Command {
  const command = new Command('tag')
    .description('give more tags to what a tag or digest names, without a pull or a push')
    .argument('<reference>', '[HOST:PORT/]REPOSITORY[:TAG|@DIGEST]')
    .argument('<tags...>', 'tags of the same repository; one that exists is moved')
    .addOption(outputOption(...objectOutputs))
    .addHelpText(
      'after',
      `
Examples:
  trow tag team/app:1.4.2 1.4 1 stable
  trow tag team/app@sha256:9c1b… release-7`,
    )
  return addConnectOptions(command).action(
    async (name: string, given: readonly string[], options: RegistryOptions & { output: Output }) => {
      const named = parseImageName(name, options, terminal)
      const { repository, reference } = needReference(name, named, 'latest')
      const tags = [...new Set(given.map(parseNewTag))]
      await withRegistry(named, options, terminal, async (client, { way }) => {
        const manifest = await loadManifest(client, repository, reference)
        const { digest } = manifest
        await withPusher(way, terminal, async (pusher) => {
          for (const tag of tags) {
            const stored = await pusher.pushManifest(repository, tag, manifest)
            if (stored !== '' && stored !== digest) {
              const message = `the registry stored ${stored} under the tag ${tag}, instead of ${digest}`
              throw new UpstreamFault('malformed', message)
            }
            if (options.output === 'text')
              terminal.stdout.write(`${printReference(repository, tag)}@${digest}\n`)
          }
        })
        if (options.output !== 'text')
          await printResult('Tagging', { repository, digest, tags }, options.output, terminal)
      })
    },
  )
}

function parseNewTag(given: string): Tag {
  try {
    return parseTag(given)
  } catch (cause) {
    if (!(cause instanceof OciError)) throw cause
    throw new UserError('REFERENCE_INVALID', `"${given}" is no tag: ${cause.message}`, {
      hint: 'A tag has no host and no repository: trow tag team/app:1.4.2 1.4 stable',
      cause,
      exitCode: exitCode.usage,
    })
  }
}
