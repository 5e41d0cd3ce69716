import { Command, Option } from 'commander'
import { engineKinds, type EngineKind } from '../../trust/docker/engine.ts'
import { addClusterOptions } from '../cluster/cluster-options.ts'
import type { CommandContext } from '../command-context.ts'
import type { TrustDockerOptions } from './trust-docker.ts'

export function trustDockerCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('trust-docker')
    .description("make this machine's docker or podman trust the registry")
    .option('--registry <url>', 'HOST:PORT as references have it (default: what trow connect keeps open)')
    .option('--ca <file>', "the registry's CA, PEM (default: the one that the cluster publishes)")
    .addOption(
      new Option('--engine <name>', 'of several engines (default: the one of the docker context)').choices(
        engineKinds satisfies readonly EngineKind[],
      ),
    )
    .option('--keychain', "into the user's keychain as well (macOS, Windows)")
    .option('--repository <name>', 'where the proof pushes its image (default: NAMESPACE/trow-trust-docker)')
    .option('--no-proof', 'push and pull nothing afterwards')
    .option('-y, --yes', 'do not ask before sudo, the keychain or a restart')
    .option('--dry-run', 'print files and commands, change nothing')
    .option('--undo', 'take it back')
  return addClusterOptions(command).action(async (options: TrustDockerOptions) => {
    // Loaded here: no other command needs what it brings.
    const { trustDocker } = await import('./trust-docker.ts')
    finish(await trustDocker(options, terminal))
  })
}
