import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Command } from 'commander'
import { writeImageArchive } from '../../image/image-archive.ts'
import { blobsOf, type Image, type PlatformImage } from '../../image/image.ts'
import { plainReason } from '../../plain-reason.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { humanSize } from '../../settings/quantities.ts'
import { longWork } from '../progress/long-work.ts'
import type { WorkProgress } from '../progress/work-progress.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printResult } from '../result/print-result.ts'
import type { Terminal } from '../streams.ts'
import { addBuildOptions, buildOwnImage, machinePlatform, ownReference, type BuildFlags } from './build.ts'
import { isOfSystemCall } from '../../error-code.ts'
import { examples } from '../help/examples.ts'

interface SaveFlags extends BuildFlags {
  readonly name: string
  readonly output: Output
}

export function saveCommand({ terminal }: CommandContext): Command {
  const command = new Command('save')
    .description("write trow's own image to a file that ctr, docker, podman and skopeo load")
    .addHelpText(
      ...examples(
        'trow image save trow.tar',
        'trow image save - --platform linux/arm64 | ssh node ctr -n k8s.io images import -',
      ),
    )
    .argument('<file>', 'the tar to write, or - for standard output')
    .option('--name <reference>', 'what the image is called in it', ownReference())
    .addOption(outputOption(...objectOutputs))
  return addBuildOptions(command).action(async (file: string, flags: SaveFlags) => {
    const { output, name } = flags
    if (file === '-' && output !== 'text') {
      throw new UserError('OPTIONS_CONFLICT', `-o ${output}: the image itself goes to standard output`, {
        hint: 'Name a file, or leave out -o.',
        exitCode: exitCode.usage,
      })
    }
    await longWork(terminal, { output, kept }, async ({ progress }) => {
      const image = await buildOwnImage(flags, terminal, progress)
      await saveArchive(image, { file, name, terminal, progress })
      progress.end()
      const { digest } = image.index
      if (output !== 'text') {
        const platforms = image.platforms.map((each) => ({
          platform: each.platform.name,
          bytes: compressedSize(each),
        }))
        const path = resolve(terminal.cwd, file)
        return printResult('ImageSave', { file: path, name, digest, platforms }, output, terminal)
      }
      for (const each of image.platforms)
        terminal.stderr.write(`${each.platform.name}: ${humanSize(compressedSize(each))}\n`)
      if (file !== '-') terminal.stdout.write(`${name}@${digest}\n`)
    })
  })
}

/** What stays of an image that was not made. */
export const downloadsKept = 'what was downloaded is kept, and the same command goes on from there.'
const kept = `No file was made; ${downloadsKept}`

/** Docker's classic store reads one platform from the archive: this machine's, if the image has it. */
export async function saveArchive(
  image: Image,
  {
    file,
    name,
    terminal,
    progress,
  }: {
    readonly file: string
    readonly name: string
    readonly terminal: Terminal
    readonly progress: WorkProgress
  },
): Promise<void> {
  progress.expect(blobsOf(image).reduce((sum, { size }) => sum + size, 0))
  const written = (bytes: number): void => progress.add(bytes)
  const docker = image.platforms.find(({ platform }) => platform === machinePlatform()) ?? image.platforms[0]!
  if (file === '-') return writeImageArchive(image, { name, docker, written, target: terminal.exact.stdout })
  const path = resolve(terminal.cwd, file)
  const staged = `${path}.part-${process.pid}`
  try {
    await writeImageArchive(image, { name, docker, written, target: createWriteStream(staged) })
    await rename(staged, path)
  } catch (cause) {
    await rm(staged, { force: true })
    if (!isOfSystemCall(cause)) throw cause
    throw new UserError('FILE_UNWRITABLE', `${path} cannot be written: ${plainReason(cause)}`, {
      cause,
    })
  }
}

/** Returns the bytes that a node without any of these layers downloads. */
export function compressedSize({ layers, config, manifest }: PlatformImage): number {
  return [...layers, config, manifest].reduce((sum, { size }) => sum + size, 0)
}
