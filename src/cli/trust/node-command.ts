import { Command, Option } from 'commander'
import { objectOutputs, outputOption } from '../result/output.ts'
import type { CommandContext } from '../command-context.ts'
import type { TrustNodeOptions } from './trust-node-once.ts'
import { addWatchOptions, refuseOnceOptions, type WatchNodeOptions } from './watch-options.ts'
import { examples } from '../help/examples.ts'

export function trustNodeCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('trust-node')
    .description('make the container runtime of this machine trust a registry and pull from it')
    .addHelpText(
      ...examples(
        'sudo trow trust-node --registry https://registry.example.com --ca ca.crt',
        'trow trust-node --registry https://registry.example.com --ca ca.crt --dry-run',
        'sudo trow trust-node --undo --host registry.example.com',
      ),
    )
    .option('--registry <url>', 'HTTPS address of the registry; may be repeated, tried in this order', gather)
    .option(
      '--host <host>',
      'HOST or HOST:PORT as image references have it (default: that of the first --registry)',
    )
    .option('--ca <file>', 'CA of the registry, PEM; may hold several')
    .option('--client-cert <file>', "certificate to pull with (default: the kubelet's, where there is one)")
    .option('--client-key <file>', 'key of that certificate (default: in the same file)')
    .option('--no-client-cert', 'pull without a certificate')
    .addOption(
      new Option(
        '--pull-identity <whose>',
        "as whom images are pulled: the node, or each pod's service account by the kubelet's hand",
      ).choices(['node', 'service-account']),
    )
    .option('--host-root <folder>', 'root folder of the machine', '/')
    .option(
      '--restart-runtime',
      'set config_path of a containerd that reads no folder of registries, and restart it',
    )
    .option('--edit-hosts', 'write the line into /etc/hosts that dockerd needs')
    .option('--dry-run', 'show what would change, and change nothing')
    .option('--undo', 'take back what was written, for --host or --registry, or for all')
    .addOption(outputOption(...objectOutputs))
    .action(async (options: TrustNodeOptions & WatchNodeOptions) => {
      if (options.watch !== true) {
        const { trustNodeOnce } = await import('./trust-node-once.ts')
        return finish(await trustNodeOnce(options, terminal))
      }
      refuseOnceOptions(options)
      const { watchNode } = await import('./watch-node.ts')
      finish(await watchNode(options, terminal))
    })
  return addWatchOptions(command)
}

function gather(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value]
}
