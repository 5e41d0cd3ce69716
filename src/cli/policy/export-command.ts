import { Command } from 'commander'
import { compileFloor } from '../../policy/floor/compile-floor.ts'
import {
  floorBindingObject,
  floorParametersObject,
  floorPolicyObject,
} from '../../policy/floor/floor-objects.ts'
import { loadSoundPolicies } from '../../policy-store/load-files.ts'
import { UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { printManifests } from '../install/manifests.ts'
import { outputOption } from '../result/output.ts'
import { exceptionSettings } from './exception-settings.ts'
import { ownHostsOf } from './own-hosts.ts'
import { examples } from '../help/examples.ts'

interface ExportOptions {
  readonly ownHost?: readonly string[]
  readonly exclude?: readonly string[]
  readonly output: 'yaml' | 'json'
}

/** Of an install with its usual names. */
const usuallyExcluded = ['trow', 'trow-node', 'kube-system']

export function exportCommand({ terminal }: CommandContext): Command {
  const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]
  const vap = new Command('vap')
    .description('print the floor: what an API server refuses by itself, as a ValidatingAdmissionPolicy')
    .addHelpText(...examples('trow policy export vap policies/ | kubectl apply -f -'))
    .argument('<files...>', 'files with TrowPolicy and TrowException, or folders of them')
    .option(
      '--own-host <host>',
      'a host, with its port, under which clients reach the registry; may be repeated',
      collect,
    )
    .option(
      '--exclude <namespace>',
      `a namespace whose pods it does not see; may be repeated (default: ${usuallyExcluded.join(', ')})`,
      collect,
    )
    .addOption(outputOption('yaml', 'json'))
    .action(async (files: readonly string[], options: ExportOptions) => {
      const { ownHost = [], exclude = usuallyExcluded, output } = options
      const now = Date.now()
      const ownHosts = ownHostsOf(ownHost)
      const print = (line: string): void => void terminal.stderr.write(`${line}\n`)
      const { policies, exceptions } = loadSoundPolicies(files, exceptionSettings(ownHosts, now), print)
      const settings = { ownHosts, shortNames: 'docker.io', noPolicy: 'allow' } as const
      const compiled = compileFloor({ policies, exceptions, settings }, now)
      if (compiled.kind === 'refused')
        throw new UserError('POLICY_FLOOR', compiled.problems.join('\n'), {
          hint: 'docs/policy.md, "The floor", has the limits.',
        })
      const objects = [
        floorParametersObject(compiled.parameters),
        floorPolicyObject(exclude),
        floorBindingObject(),
      ]
      await printManifests(objects, output, terminal)
    })
  return new Command('export')
    .description('print policies as other tools have them')
    .addHelpText(...examples('trow policy export vap policies/ > floor.yaml'))
    .addCommand(vap)
}
