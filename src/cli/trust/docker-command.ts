import { Command, Option } from 'commander'
import { engineKinds, type EngineKind } from '../../trust/docker/engine.ts'
import { addClusterOptions } from '../cluster/cluster-options.ts'
import type { CommandContext } from '../command-context.ts'
import type { TrustDockerOptions } from './trust-docker.ts'
import { examples } from '../help/examples.ts'
import { objectOutputs, outputOption } from '../result/output.ts'

export function trustDockerCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('trust-docker')
    .description("make this machine's docker or podman trust the registry")
    .addHelpText(
      ...examples(
        'trow trust-docker',
        'trow trust-docker --registry registry.example.com:5000 --ca ca.crt',
        'trow trust-docker --undo',
      ),
    )
    .option('--registry <url>', 'HOST:PORT as references have it (default: what trow connect keeps open)')
    .option('--ca <file>', "the registry's CA, PEM (default: the one that the cluster publishes)")
    .addOption(
      new Option(
        '--engine <name>',
        'the engine, where there are several (default: that of the docker context)',
      ).choices(engineKinds satisfies readonly EngineKind[]),
    )
    .option('--keychain', "put the CA into the user's keychain too (macOS, Windows)")
    .option('--repository <name>', 'where the proof pushes its image (default: NAMESPACE/trow-trust-docker)')
    .option('--no-proof', 'push and pull nothing afterwards')
    .option('-y, --yes', 'do not ask before sudo, the keychain or a restart')
    .option('--dry-run', 'print files and commands, change nothing')
    .option('--undo', 'take back what was done')
    .addOption(outputOption(...objectOutputs))
  return addClusterOptions(command).action(async (options: TrustDockerOptions) => {
    // Loaded here: no other command needs these modules.
    const { trustDocker } = await import('./trust-docker.ts')
    finish(await trustDocker(options, terminal))
  })
}
