import { Command } from 'commander'
import { isDigest } from '../../oci/digest.ts'
import { exitCode } from '../../user-error.ts'
import { confirmed } from '../confirm.ts'
import type { CommandContext } from '../command-context.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printResult, type Result } from '../result/print-result.ts'
import { loadDigest } from './image.ts'
import { needReference } from './need-reference.ts'
import { addConnectOptions, type RegistryOptions } from '../way/connect-options.ts'
import { parseImageName, printReference } from '../way/named-target.ts'
import { withRegistry } from '../way/with-way.ts'
import { examples } from '../help/examples.ts'
import { expiryOf, manifestKept } from './untagged.ts'

export function removeCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('rm')
    .description('remove a tag, or by digest a manifest with all its tags')
    .addHelpText(...examples('trow rm team/app:1.4', 'trow rm team/app@sha256:9c1b… --yes'))
    .argument('<reference>', '[HOST:PORT/]REPOSITORY:TAG or …@DIGEST')
    .option('-y, --yes', 'do not ask')
    .addOption(outputOption(...objectOutputs))
  return addConnectOptions(command).action(
    async (name: string, options: RegistryOptions & { output: Output; yes?: boolean }) => {
      const named = parseImageName(name, options, terminal)
      const { repository, reference } = needReference(name, named)
      await withRegistry(named, options, terminal, async (client) => {
        const digest = await loadDigest(client, repository, reference)
        const shown = printReference(repository, reference)
        const what = isDigest(reference)
          ? `the manifest ${shown} and every tag on it`
          : `the tag ${shown} (${digest})`
        if (options.yes !== true && !(await confirmed(`Remove ${what}?`, terminal))) {
          terminal.stderr.write('nothing was removed\n')
          return finish(exitCode.failed)
        }
        await client.deleteManifest(repository, reference)
        const isText = options.output === 'text'
        if (isText) terminal.stdout.write(`removed ${what}\n`)
        const print = (
          more: Pick<Result<'Removal'>, 'tag' | 'isManifestKept' | 'expires' | 'frees'>,
        ): Promise<void> => printResult('Removal', { repository, digest, ...more }, options.output, terminal)
        if (isDigest(reference)) return isText ? undefined : print({ isManifestKept: false })
        const place = name.endsWith(`:${reference}`) ? name.slice(0, -reference.length - 1) : repository
        // The tag is deleted already, so errors of these questions are ignored.
        const found = await client.untagged(repository, digest).catch(() => undefined)
        const isGone = (await client.digestOf(repository, digest).catch(() => undefined)) === undefined
        if (!isText) {
          const until = found === undefined ? undefined : expiryOf(found)
          const kept = {
            expires: until === undefined ? undefined : new Date(until).toISOString(),
            frees: found?.manifests[0]?.frees,
          }
          await print({ isManifestKept: !isGone, tag: reference, ...(isGone ? {} : kept) })
        } else if (!isGone) terminal.stdout.write(manifestKept({ repository, place, digest }, found))
      })
    },
  )
}
