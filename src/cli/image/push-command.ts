import { Command } from 'commander'
import { pushImage } from '../../image/push-image.ts'
import { isDigest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import { parseTag, type Tag } from '../../oci/tag.ts'
import { humanSize } from '../../settings/quantities.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import type { Terminal } from '../streams.ts'
import { trowVersion } from '../version.ts'
import type { RegistryAddress } from '../way/address.ts'
import { addAddressOptions, givenCredential, type AddressOptions } from '../way/connect-options.ts'
import { directWay } from '../way/direct-way.ts'
import { parseNamed } from '../way/named-target.ts'
import { withPusher } from '../way/with-way.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printResult } from '../result/print-result.ts'
import { addBuildOptions, buildOwnImage, type BuildFlags } from './build.ts'
import { longWork } from '../progress/long-work.ts'
import { downloadsKept } from './save-command.ts'
import { examples } from '../help/examples.ts'

type PushFlags = BuildFlags & AddressOptions & { readonly output: Output }

export function pushCommand({ terminal }: CommandContext): Command {
  const command = new Command('push')
    .description("push trow's own image to a registry that the nodes can reach, with its platforms")
    .addHelpText(
      ...examples(
        'trow image push registry.example.com/trow',
        'trow image push registry.example.com/trow:1 --ca ca.crt --platform linux/amd64',
      ),
    )
    .argument('<reference>', 'HOST[:PORT]/REPOSITORY[:TAG], the tag being the version of trow unless told')
    .addOption(outputOption(...objectOutputs))
  return addBuildOptions(addAddressOptions(command)).action(async (given: string, flags: PushFlags) => {
    const { address, repository, tag } = parseTarget(given, terminal)
    const credential = await givenCredential(flags, terminal)
    const way = await directWay({ address, repository, credential }, flags, terminal)
    const image = await longWork(terminal, { output: flags.output, kept }, ({ progress }) =>
      buildOwnImage(flags, terminal, progress),
    )
    await withPusher(way, terminal, (pusher) =>
      pushImage(image, {
        pusher,
        repository,
        reference: tag,
        report: ({ digest, size }, outcome) =>
          void terminal.stderr.write(`${digest.slice(0, 19)} ${humanSize(size)}: ${outcome}\n`),
      }),
    )
    const { digest } = image.index
    const { host } = address
    if (flags.output === 'text') terminal.stdout.write(`${host}/${repository}:${tag}@${digest}\n`)
    else await printResult('ImagePush', { host, repository, tag, digest }, flags.output, terminal)
  })
}

const kept = `Nothing was pushed; ${downloadsKept}`

/** Throws UserError REFERENCE_INVALID. */
function parseTarget(
  given: string,
  terminal: Terminal,
): { readonly address: RegistryAddress; readonly repository: RepositoryName; readonly tag: Tag } {
  const named = parseNamed(given, {}, { ...terminal, env: {} })
  const { registry: address, repository, reference = parseTag(trowVersion()) } = named
  if (address !== undefined && repository !== undefined && !isDigest(reference))
    return { address, repository, tag: reference }
  const reason = address === undefined ? 'the registry is missing' : 'it needs a repository, and no digest'
  throw new UserError('REFERENCE_INVALID', `"${given}" is no place to push to: ${reason}`, {
    hint: 'Write HOST[:PORT]/REPOSITORY[:TAG], registry.example.com/team/trow for example.',
    exitCode: exitCode.usage,
  })
}
