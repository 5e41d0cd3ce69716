import { Command } from 'commander'
import { isDigest } from '../../oci/digest.ts'
import { exitCode } from '../../user-error.ts'
import { confirmed } from '../confirmation.ts'
import type { CommandContext } from '../program.ts'
import { loadImage } from './image.ts'
import { needReference } from './need-reference.ts'
import { addConnectOptions, connect, parseNamed, printReference, type ConnectOptions } from './target.ts'

export function removeCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('rm')
    .description('remove a tag, or by digest a manifest with all its tags')
    .argument('<reference>', '[HOST:PORT/]REPOSITORY:TAG or …@DIGEST')
    .option('-y, --yes', 'do not ask')
  return addConnectOptions(command).action(
    async (name: string, options: ConnectOptions & { yes?: boolean }) => {
      const named = parseNamed(name, options, terminal)
      const { repository, reference } = needReference(name, named)
      const client = await connect(named, options, terminal)
      try {
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
      } finally {
        await client.close()
      }
    },
  )
}
