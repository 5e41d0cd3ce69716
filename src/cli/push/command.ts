import { counted } from '../../counted.ts'
import { Command, Option } from 'commander'
import { openArchive, openEngineImage, type OpenImage } from '../../push/image-source.ts'
import { pushImage } from '../../push/push-image.ts'
import { targetName, type TargetName } from '../../push/target-name.ts'
import { humanSize } from '../../settings/quantities.ts'
import { engineKinds } from '../../trust/docker/engine.ts'
import type { DeveloperMachine } from '../../trust/docker/machine.ts'
import { UserError } from '../../user-error.ts'
import type { OpenCluster } from '../cluster/cluster-options.ts'
import { bindingCommand } from '../cluster/registry-road.ts'
import type { CommandContext } from '../command-context.ts'
import { keepMemoryFlat } from '../flat-memory.ts'
import { longWork } from '../progress/long-work.ts'
import type { WorkProgress } from '../progress/work-progress.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printResult } from '../result/print-result.ts'
import type { Terminal } from '../streams.ts'
import { registryFlag } from '../way/address.ts'
import { addConnectOptions, type RegistryOptions } from '../way/connect-options.ts'
import { findWay, type FoundWay } from '../way/find-way.ts'
import { parseImageName, splitImageName } from '../way/named-target.ts'
import { withPusher } from '../way/with-way.ts'
import { PushProgress } from './push-progress.ts'
import { examples } from '../help/examples.ts'

interface PushOptions extends RegistryOptions {
  readonly engine?: string
  readonly output: Output
}

interface PushRequest {
  readonly image: string
  readonly name: string | undefined
  readonly options: PushOptions
}

interface Work {
  readonly signal: AbortSignal
  readonly progress: WorkProgress
}

const kept = 'Whole blobs that were sent are kept: the same command goes on from there.'

export function pushCommand({ terminal }: CommandContext): Command {
  const command = new Command('push')
    .description('send an image of this machine to a registry')
    .addHelpText(
      ...examples(
        'trow push app:1.4',
        'trow push app:1.4 team/app:1.4',
        'trow push image.tar team/app:1.4 --registry registry.example.com --ca ca.crt',
      ),
    )
    .argument('<image>', 'an image of docker or podman, a docker-archive, an OCI layout (folder or tar)')
    .argument(
      '[name]',
      '[HOST:PORT/]NAMESPACE/NAME:TAG (default: the image below the namespace of the kube context)',
    )
    .addOption(
      new Option(
        '--engine <name>',
        'the engine that has the image (default: the one that docker uses)',
      ).choices(engineKinds),
    )
    .addOption(outputOption(...objectOutputs))
  return addConnectOptions(command).action(
    async (image: string, name: string | undefined, options: PushOptions) => {
      keepMemoryFlat()
      const { output } = options
      await longWork(terminal, { output, kept }, (work) => push({ image, name, options }, terminal, work))
    },
  )
}

const nameless = { host: undefined, path: undefined }

async function push(request: PushRequest, terminal: Terminal, work: Work): Promise<void> {
  const { signal } = work
  const { image, name, options } = request
  const { cwd } = terminal
  // What is wrong on this machine is reported before a cluster or a registry is asked.
  const { host: named, path } = name === undefined ? nameless : splitImageName(name)
  const registry =
    name === undefined || named === undefined
      ? registryFlag(options, terminal)
      : parseImageName(name, options, terminal).registry
  if (path !== undefined) targetName(path, undefined, { namespace: undefined, hosts: [] })
  const archive = options.engine === undefined ? await openArchive(image, { cwd, signal }) : undefined
  let found: FoundWay | undefined
  let local = archive
  try {
    found = await findWay({ registry }, options, terminal)
    local ??= await engineImage(request, terminal, work)
    await send({ local, path, found, output: options.output }, terminal, work)
  } finally {
    await local?.close()
    await found?.close()
  }
}

async function engineImage(
  { image, options: { engine } }: PushRequest,
  terminal: Terminal,
  { signal, progress }: Work,
): Promise<OpenImage> {
  const machine = async (): Promise<DeveloperMachine> => {
    const { thisMachine } = await import('../trust/this-machine.ts')
    return thisMachine(terminal)
  }
  const say = (line: string): void => progress.say(line)
  return openEngineImage(image, { cwd: terminal.cwd, machine, engine, say, signal })
}

async function send(
  {
    local,
    path,
    found,
    output,
  }: {
    readonly local: OpenImage
    readonly path: string | undefined
    readonly found: FoundWay
    readonly output: Output
  },
  terminal: Terminal,
  { signal, progress }: Work,
): Promise<void> {
  const say = (line: string): void => progress.say(line)
  const { way, host, cluster } = found
  const namespace = cluster && (cluster.context.namespace ?? 'default')
  const target = targetName(path, local.name, { namespace, hosts: [host, `${host}:443`] })
  for (const note of local.notes) say(note)
  say(`pushing to ${target.repository}:${target.tag}`)
  try {
    const { digest, pushed, total, bytes } = await withPusher(way, terminal, async (pusher) => {
      const end = (): void => void pusher.close()
      signal.addEventListener('abort', end)
      try {
        return await pushImage(pusher, local, target, new PushProgress(progress))
      } finally {
        signal.removeEventListener('abort', end)
      }
    })
    progress.end()
    const { repository, tag } = target
    if (output !== 'text') {
      const sent = { blobs: total, sentBlobs: pushed, sentBytes: bytes }
      return await printResult('Push', { host, repository, tag, digest, ...sent }, output, terminal)
    }
    say(`${pushed} of ${counted(total, 'blob')} sent, ${humanSize(bytes)}; ${digest}`)
    terminal.stdout.write(`${host}/${repository}:${tag}\n`)
  } catch (error) {
    const isDenied = error instanceof UserError && error.code === 'REGISTRY_DENIED'
    throw isDenied && cluster !== undefined ? await unbound(error, cluster, target) : error
  }
}

/** Adds the command by which an administrator of the cluster gives the right. */
async function unbound(
  error: UserError,
  { objects }: OpenCluster,
  { repository }: TargetName,
): Promise<UserError> {
  const [namespace] = repository.includes('/') ? repository.split('/') : []
  const binding = await bindingCommand(objects, namespace, 'trow-pusher')
  return new UserError(error.code, error.message, {
    hint: `Somebody who may has to let you push there: ${binding}`,
    cause: error,
    exitCode: error.exitCode,
  })
}
