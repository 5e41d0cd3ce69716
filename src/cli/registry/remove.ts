import { Command } from 'commander'
import { isDigest } from '../../oci/digest.ts'
import { exitCode } from '../../user-error.ts'
import { confirmed } from '../confirm.ts'
import type { CommandContext } from '../command-context.ts'
import { loadImage } from './image.ts'
import { needReference } from './need-reference.ts'
import { addConnectOptions, parseNamed, printReference, withRegistry, type ConnectOptions } from './target.ts'
import { manifestKept } from './untagged.ts'

export function removeCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('rm')
    .description('remove a tag, or by digest a manifest with all its tags')
    .argument('<reference>', '[HOST:PORT/]REPOSITORY:TAG or …@DIGEST')
    .option('-y, --yes', 'do not ask')
  return addConnectOptions(command).action(
    async (name: string, options: ConnectOptions & { yes?: boolean }) => {
      const named = parseNamed(name, options, terminal)
      const { repository, reference } = needReference(name, named)
      await withRegistry(named, options, terminal, async (client) => {
        const { digest } = await loadImage(client, repository, reference)
        const shown = printReference(repository, reference)
        const what = isDigest(reference)
          ? `the manifest ${shown} and every tag on it`
          : `the tag ${shown} (${digest})`
        if (options.yes !== true && !(await confirmed(`Remove ${what}?`, terminal))) {
          terminal.stderr.write('nothing was removed\n')
          return finish(exitCode.failed)
        }
        await client.deleteManifest(repository, reference)
        terminal.stdout.write(`removed ${what}\n`)
        if (isDigest(reference)) return
        const place = name.endsWith(`:${reference}`) ? name.slice(0, -reference.length - 1) : repository
        // The tag is gone, whatever the registry says of the rest.
        const found = await client.untagged(repository, digest).catch(() => undefined)
        const isGone = (await client.manifest(repository, digest).catch(() => undefined)) === undefined
        if (isGone) return
        terminal.stdout.write(manifestKept({ repository, place, digest }, found))
      })
    },
  )
}
