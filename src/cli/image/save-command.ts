import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Command } from 'commander'
import { writeImageArchive } from '../../image/image-archive.ts'
import type { Image, PlatformImage } from '../../image/image.ts'
import { reasonOf } from '../../reason-of.ts'
import { UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { humanSize } from '../../settings/quantities.ts'
import type { Terminal } from '../streams.ts'
import { addBuildOptions, buildOwnImage, machinePlatform, ownReference, type BuildFlags } from './build.ts'

interface SaveFlags extends BuildFlags {
  readonly name: string
}

export function saveCommand({ terminal }: CommandContext): Command {
  const command = new Command('save')
    .description("write trow's own image to a file that ctr, docker, podman and skopeo load")
    .argument('<file>', 'the tar to write, or - for standard output')
    .option('--name <reference>', 'what the image is called in it', ownReference())
  return addBuildOptions(command).action(async (file: string, flags: SaveFlags) => {
    const image = await buildOwnImage(flags, terminal)
    await saveArchive(image, { file, name: flags.name, terminal })
    for (const each of image.platforms)
      terminal.stderr.write(`${each.platform.name}: ${humanSize(compressedSize(each))}\n`)
    if (file !== '-') terminal.stdout.write(`${flags.name}@${image.index.digest}\n`)
  })
}

/** Docker's classic store takes one platform out of it: this machine's where it is among them. */
export async function saveArchive(
  image: Image,
  { file, name, terminal }: { readonly file: string; readonly name: string; readonly terminal: Terminal },
): Promise<void> {
  const docker = image.platforms.find(({ platform }) => platform === machinePlatform()) ?? image.platforms[0]!
  if (file === '-') return writeImageArchive(image, { name, docker, target: terminal.exact.stdout })
  const path = resolve(terminal.cwd, file)
  const staged = `${path}.part-${process.pid}`
  try {
    await writeImageArchive(image, { name, docker, target: createWriteStream(staged) })
    await rename(staged, path)
  } catch (cause) {
    await rm(staged, { force: true })
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause
    throw new UserError('FILE_UNWRITABLE', `${path} cannot be written: ${reasonOf(cause)}`, {
      cause,
    })
  }
}

/** What a node moves of it when it has nothing yet, in bytes. */
export function compressedSize({ layers, config, manifest }: PlatformImage): number {
  return [...layers, config, manifest].reduce((sum, { size }) => sum + size, 0)
}
