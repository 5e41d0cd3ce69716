import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Command, Option } from 'commander'
import { counted } from '../../counted.ts'
import { isDigest } from '../../oci/digest.ts'
import { loadEngine, pullEngines, receivingEngine, type ReceivingEngine } from '../../pull/load-engine.ts'
import { oneImage, type PulledImage } from '../../pull/pulled-image.ts'
import { writeArchive } from '../../pull/write-archive.ts'
import { writeFault } from '../../pull/write-fault.ts'
import { needLayout, writeLayout, type PulledBlobs } from '../../pull/write-layout.ts'
import type { PushListener } from '../../push/send-blobs.ts'
import { readRemoteImage } from '../../push/remote-image.ts'
import { parsePlatform, type Platform } from '../../push/select-platform.ts'
import { humanSize } from '../../settings/quantities.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { keepMemoryFlat } from '../flat-memory.ts'
import { needReference } from '../registry/need-reference.ts'
import { longWork } from '../progress/long-work.ts'
import type { WorkProgress } from '../progress/work-progress.ts'
import { PushProgress } from '../push/push-progress.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printResult } from '../result/print-result.ts'
import type { Terminal } from '../streams.ts'
import { addConnectOptions, type RegistryOptions } from '../way/connect-options.ts'
import { parseImageName, printReference } from '../way/named-target.ts'
import { withRegistry } from '../way/with-way.ts'
import { destinationOf, type Destination } from './destination.ts'

interface PullOptions extends RegistryOptions {
  readonly platform?: string
  readonly engine?: (typeof pullEngines)[number]
  readonly output: Output
}

interface Pull {
  readonly image: PulledImage
  readonly destination: Destination
  readonly platform: Platform
  readonly engine: ReceivingEngine | undefined
}

interface Watch {
  readonly progress: PushListener
  readonly signal: AbortSignal
}

export function pullCommand({ terminal }: CommandContext): Command {
  const command = new Command('pull')
    .description('fetch an image into an OCI layout, an archive or an engine of this machine')
    .argument('<image>', '[HOST[:PORT]/]REPOSITORY[:TAG|@DIGEST]')
    .argument('[to]', 'a folder, FILE.tar, or - for stdout (default: the engine that docker uses)')
    .option('--platform <os/arch>', 'only the image of one platform: linux/arm64 (default: all of them)')
    .addOption(
      new Option('--engine <name>', 'which engine is given the image (default: the one docker uses)').choices(
        pullEngines,
      ),
    )
    .addOption(outputOption(...objectOutputs))
    .addHelpText(
      'after',
      `
A folder becomes an OCI layout, or gets one more image. FILE.tar is an OCI layout too, which docker load and
podman load also read: they take the image of --platform, else that of this machine. An engine gets only the
image of its own platform, unless --platform names another.

Examples:
  trow pull team/app:1
  trow pull team/app:1 app/
  trow pull docker.io/library/alpine:3 alpine.tar --platform linux/arm64
  trow pull team/app:1 - | ssh host docker load
  trow pull team/app:1 --engine containerd`,
    )
  return addConnectOptions(command).action(
    async (name: string, to: string | undefined, options: PullOptions) => {
      keepMemoryFlat()
      const destination = destinationOf(to, { engine: options.engine, cwd: terminal.cwd })
      const { output } = options
      if (destination.kind === 'stdout' && output !== 'text') {
        throw new UserError('OPTIONS_CONFLICT', `-o ${output}: the image itself goes to standard output`, {
          hint: 'Name a file or a folder, or leave out -o.',
          exitCode: exitCode.usage,
        })
      }
      const kept =
        destination.kind === 'layout'
          ? 'Whole blobs are kept: the same command goes on from there.'
          : 'Nothing of it is kept.'
      await longWork(terminal, { output, kept }, (work) =>
        pull(name, destination, options, { terminal, ...work }),
      )
    },
  )
}

async function pull(
  name: string,
  destination: Destination,
  options: PullOptions,
  {
    terminal,
    signal,
    progress,
  }: { readonly terminal: Terminal; readonly signal: AbortSignal; readonly progress: WorkProgress },
): Promise<void> {
  const wanted = options.platform === undefined ? undefined : parsePlatform(options.platform)
  const named = parseImageName(name, options, terminal)
  const { repository, reference } = needReference(name, named, 'latest')
  // What is wrong on this machine is reported before the registry is asked.
  if (destination.kind === 'layout') await needLayout(destination.folder)
  const engine = destination.kind === 'engine' ? await openEngine(options, terminal) : undefined
  try {
    await withRegistry(named, options, terminal, async (client, { host }) => {
      const end = (): void => void client.close()
      signal.addEventListener('abort', end)
      try {
        const platform = wanted ?? (await platformOf(engine))
        const origin = { client, repository, isMountable: false }
        const found = await readRemoteImage(origin, reference, engine === undefined ? wanted : platform)
        const tag = isDigest(reference) ? undefined : reference
        const shown = `${host}/${printReference(repository, reference)}`
        const image = { ...found, name: shown, tag }
        const watch = { progress: new PushProgress(progress, 'pulled'), signal }
        if (engine !== undefined) progress.say(`pulling into ${engine.title}`)
        const { fetched, total, bytes } = await write(
          { image, destination, platform, engine },
          terminal,
          watch,
        )
        progress.end()
        if (options.output !== 'text') {
          const { digest } = image
          const to = toText(destination, engine)
          const pulled = { blobs: total, pulledBlobs: fetched, pulledBytes: bytes }
          return await printResult(
            'Pull',
            { host, repository, tag, digest, to, ...pulled },
            options.output,
            terminal,
          )
        }
        terminal.stderr.write(
          `${fetched} of ${counted(total, 'blob')} pulled, ${humanSize(bytes)}; ${image.digest}\n`,
        )
        if (destination.kind !== 'stdout')
          terminal.stdout.write(`${shown}${tag === undefined ? '' : `@${image.digest}`}\n`)
      } finally {
        signal.removeEventListener('abort', end)
      }
    })
  } finally {
    await engine?.close()
  }
}

function toText(destination: Destination, engine: ReceivingEngine | undefined): string {
  if (destination.kind === 'layout') return destination.folder
  return destination.kind === 'archive' ? destination.file : (engine?.title ?? '')
}

function write(
  { image, destination, platform, engine }: Pull,
  terminal: Terminal,
  watch: Watch,
): Promise<PulledBlobs> {
  if (engine !== undefined) {
    return loadEngine(engine, { image, platform }, watch)
  }
  const form = { oci: true, docker: oneImage(image, platform) }
  switch (destination.kind) {
    case 'layout':
      return writeLayout(destination.folder, image, watch)
    case 'archive':
      return writeFile(destination.file, (target) => writeArchive(image, form, { ...watch, target }))
    case 'stdout':
      return writeArchive(image, form, { ...watch, target: terminal.exact.stdout })
    case 'engine':
      throw new TypeError('an engine was opened before')
  }
}

/** The file has its name when it is whole. */
async function writeFile(
  file: string,
  fill: (target: ReturnType<typeof createWriteStream>) => Promise<PulledBlobs>,
): Promise<PulledBlobs> {
  const part = `${file}.part`
  try {
    const fetched = await fill(createWriteStream(part))
    await rename(part, file)
    return fetched
  } catch (error) {
    await rm(part, { force: true })
    throw writeFault(file, error)
  }
}

async function openEngine({ engine }: PullOptions, terminal: Terminal): Promise<ReceivingEngine> {
  const { thisMachine } = await import('../trust/this-machine.ts')
  return receivingEngine(thisMachine(terminal), engine, ownArchitecture())
}

async function platformOf(engine: ReceivingEngine | undefined): Promise<Platform> {
  const architecture = (await engine?.architecture()) ?? ownArchitecture()
  return { os: 'linux', architecture, variant: undefined }
}

/** As image-spec names it (Go's GOARCH). */
function ownArchitecture(): string {
  return { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' }[process.arch as string] ?? process.arch
}
