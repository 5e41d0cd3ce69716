import { counted } from '../../counted.ts'
import { Command } from 'commander'
import { copyImage, type CopyResult } from '../../push/copy-image.ts'
import { parsePlatform } from '../../push/select-platform.ts'
import { humanSize } from '../../settings/quantities.ts'
import type { CommandContext } from '../command-context.ts'
import { keepMemoryFlat } from '../flat-memory.ts'
import { longWork } from '../progress/long-work.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printResult } from '../result/print-result.ts'
import { PushProgress } from '../push/push-progress.ts'
import type { Terminal } from '../streams.ts'
import { addConnectOptions } from '../way/connect-options.ts'
import { copyPlaces, type CopyOptions, type CopyPlaces } from './copy-places.ts'
import { withBothWays, type BothWays } from './both-ways.ts'

interface CopyFlags extends CopyOptions {
  readonly platform?: string
  readonly referrers?: boolean
  readonly output: Output
}

export function copyCommand({ terminal }: CommandContext): Command {
  const command = new Command('copy')
    .description('copy an image from one registry to another, byte for byte')
    .argument('<source>', '[HOST[:PORT]/]REPOSITORY[:TAG|@DIGEST]')
    .argument('<target>', '[HOST[:PORT]/]REPOSITORY[:TAG] (default: the tag of the source)')
    .option('--platform <os/arch>', 'only the image of one platform: linux/arm64 (default: all of them)')
    .option('--referrers', 'signatures, SBOMs and whatever else refers to the image too')
    .addOption(outputOption(...objectOutputs))
    .option('--src-ca <file>', 'CA of the registry that SOURCE names, PEM')
    .option('--src-plain-http', 'HTTP without TLS for the registry that SOURCE names')
    .addHelpText(
      'after',
      `
A name without a host is in the registry of --registry or TROW_REGISTRY, else in that of the cluster.
--ca, --plain-http, --username and --password-stdin are for TARGET. A registry that is named by its host gets
the login of docker or podman for it (trow login -u NAME HOST).

Examples:
  trow copy docker.io/library/alpine:3 mirror/alpine:3
  trow copy registry.example.com/team/app:1.4 team/app --referrers
  trow copy team/app:1.4 other.example.com/team/app --platform linux/arm64 --ca other.crt`,
    )
  return addConnectOptions(command).action(async (source: string, target: string, flags: CopyFlags) => {
    const platform = flags.platform === undefined ? undefined : parsePlatform(flags.platform)
    const places = copyPlaces(source, target, flags, terminal)
    const stopCollecting = keepMemoryFlat()
    const { output } = flags
    try {
      const copied = await longWork(terminal, { output, kept }, ({ signal, progress }) =>
        withBothWays(places, terminal, async (ways) => {
          const end = (): void => void ways.close()
          signal.addEventListener('abort', end)
          try {
            const request = requestOf(places, ways)
            const hasReferrers = flags.referrers === true
            const listener = new PushProgress(progress)
            const result = await copyImage({ ...request, platform, hasReferrers }, listener)
            return { result, host: ways.targetHost }
          } finally {
            signal.removeEventListener('abort', end)
          }
        }),
      )
      await print(places, copied, output, terminal)
    } finally {
      stopCollecting()
    }
  })
}

const kept = 'What was sent is kept: the same command goes on from there.'

function requestOf(
  { source, target, isOneRegistry }: CopyPlaces,
  { reader, client, pusher }: BothWays,
): Pick<Parameters<typeof copyImage>[0], 'origin' | 'reference' | 'target' | 'tag'> {
  return {
    origin: { client: reader, repository: source.repository, isMountable: isOneRegistry },
    reference: source.reference,
    target: { client, pusher, repository: target.repository },
    tag: target.tag,
  }
}

async function print(
  { target: { repository, tag } }: CopyPlaces,
  { result, host }: { readonly result: CopyResult; readonly host: string },
  output: Output,
  terminal: Terminal,
): Promise<void> {
  const { stdout, stderr } = terminal
  const { digest, pushed, total, bytes, manifests, referrers } = result
  if (output !== 'text') {
    const sent = { blobs: total, sentBlobs: pushed, sentBytes: bytes }
    const copied = { host, repository, tag, digest, manifests, referrers, ...sent }
    return printResult('Copy', copied, output, terminal)
  }
  const beside = referrers === 0 ? '' : `, ${referrers} ${referrers === 1 ? 'referrer' : 'referrers'}`
  const all = `${manifests} ${manifests === 1 ? 'manifest' : 'manifests'}${beside}`
  stderr.write(`${pushed} of ${counted(total, 'blob')} sent, ${humanSize(bytes)}; ${all}\n`)
  stdout.write(`${host}/${repository}${tag === undefined ? '' : `:${tag}`}@${digest}\n`)
}
