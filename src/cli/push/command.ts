import { Command, Option } from 'commander'
import { engineKinds } from '../../trust/docker/engine.ts'
import type { DeveloperMachine } from '../../trust/docker/machine.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { withCluster, type OpenCluster } from '../cluster/cluster-options.ts'
import { bindingCommand, publishedRegistry, registryRoad } from '../cluster/registry-road.ts'
import { keepMemoryFlat } from '../flat-memory.ts'
import type { CommandContext } from '../command-context.ts'
import { humanSize } from '../../settings/quantities.ts'
import { addConnectOptions, namedOrigin, registryOptions, type ConnectOptions } from '../registry/target.ts'
import { stopSignal } from '../stop-signal.ts'
import type { Terminal } from '../streams.ts'
import type { RegistryWay } from '../upstream/registry-way.ts'
import { withPusher } from '../upstream/with-pusher.ts'
import { openImage } from '../../push/image-source.ts'
import { pushImage } from '../../push/push-image.ts'
import { PushProgress } from './push-progress.ts'
import { targetName, type TargetName } from '../../push/target-name.ts'

interface PushOptions extends ConnectOptions {
  readonly engine?: string
}

interface PushWish {
  readonly image: string
  readonly name: string | undefined
  readonly engine: string | undefined
  readonly destination: Destination
}

/** Where an image goes, whatever the road. */
interface Destination {
  readonly registry: RegistryWay
  /** As references have it. */
  readonly host: string
  /** Below which images without a name of their own go. */
  readonly namespace: string | undefined
  /** Makes the error say what to ask for. */
  refused(error: UserError, target: TargetName): Promise<UserError>
}

export function pushCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('push')
    .description('send an image of this machine to the registry in the cluster, or to another one')
    .argument('<image>', 'an image of docker or podman, a docker-archive, an OCI layout (folder or tar)')
    .argument('[name]', 'NAMESPACE/NAME:TAG (default: the image below the namespace of the kube context)')
    .addOption(
      new Option('--engine <name>', 'whose image it is (default: the one docker uses)').choices(engineKinds),
    )
  addConnectOptions(command)
  const run = async (
    image: string,
    name: string | undefined,
    { engine }: PushOptions,
    destination: Destination,
  ): Promise<void> => {
    const { signal, stop } = stopSignal(terminal)
    try {
      await push({ image, name, engine, destination }, terminal, signal)
    } catch (error) {
      if (!signal.aborted) throw error
      finish(exitCode.interrupted)
    } finally {
      stop()
    }
  }
  return command.action(async (image: string, name: string | undefined, options: PushOptions) => {
    keepMemoryFlat()
    const origin = namedOrigin(options, terminal)
    if (origin !== undefined) {
      const registry = await registryOptions(origin, options, terminal)
      const host = new URL(origin).host
      const refused = async (error: UserError): Promise<UserError> => error
      return run(image, name, options, { registry, host, namespace: undefined, refused })
    }
    await withCluster(options, terminal, async (cluster) => {
      await run(image, name, options, await inCluster(cluster, options, terminal))
    })
  })
}

async function inCluster(
  cluster: OpenCluster,
  options: PushOptions,
  terminal: Terminal,
): Promise<Destination> {
  const published = await publishedRegistry(cluster)
  return {
    registry: await registryRoad(cluster, published, options, terminal),
    host: published.imageHost,
    namespace: cluster.context.namespace ?? 'default',
    async refused(error, { repository }) {
      const [namespace] = repository.includes('/') ? repository.split('/') : []
      const binding = await bindingCommand(cluster.objects, namespace, 'trow-pusher')
      return new UserError(error.code, error.message, {
        hint: `Somebody who may has to let you push there: ${binding}`,
        cause: error,
        exitCode: error.exitCode,
      })
    },
  }
}

async function push(
  { image, name, engine, destination }: PushWish,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const say = (line: string): void => void terminal.stderr.write(`${line}\n`)
  const { host, namespace } = destination
  const hosts = [host, `${host}:443`]
  // A name that cannot be is known before anything is read.
  if (name !== undefined) targetName(name, undefined, { namespace, hosts })
  const machine = async (): Promise<DeveloperMachine> => {
    // Loaded here: archives need nothing of engines.
    const { thisMachine } = await import('../trust/this-machine.ts')
    return thisMachine(terminal)
  }
  const local = await openImage(image, { cwd: terminal.cwd, machine, engine, say, signal })
  const progress = new PushProgress(terminal, () => Date.now())
  try {
    const target = targetName(name, local.name, { namespace, hosts })
    for (const note of local.notes) say(note)
    say(`pushing to ${target.repository}:${target.tag}`)
    const { digest, pushed, total, bytes } = await withPusher(destination.registry, async (pusher) => {
      const end = (): void => void pusher.close()
      signal.addEventListener('abort', end)
      try {
        return await pushImage(pusher, local, target, progress)
      } finally {
        signal.removeEventListener('abort', end)
      }
    }).catch(async (error: unknown) => {
      const denied = error instanceof UserError && error.code === 'REGISTRY_DENIED'
      throw denied ? await destination.refused(error, target) : error
    })
    say(`${pushed} of ${total} blobs sent, ${humanSize(bytes)}; ${digest}`)
    terminal.stdout.write(`${host}/${target.repository}:${target.tag}\n`)
  } finally {
    progress.end()
    await local.close()
  }
}
