import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { loadKubeContext } from '../../cluster/kubeconfig.ts'
import {
  chooseLoadTarget,
  keepingHint,
  loadCalls,
  loadKinds,
  needsRoot,
  type LoadFacts,
  type LoadOptions,
} from '../../image/load-plan.ts'
import type { Image } from '../../image/image.ts'
import { machinePrograms, printCall } from '../../trust/docker/program-runner.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import type { Terminal } from '../streams.ts'
import { addBuildOptions, buildOwnImage, machinePlatform, ownReference, type BuildFlags } from './build.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printResult, type Result } from '../result/print-result.ts'
import { longWork } from '../progress/long-work.ts'
import { downloadsKept, saveArchive } from './save-command.ts'
import { findOnPath } from '../program-path.ts'
import { examples } from '../help/examples.ts'

interface LoadFlags extends BuildFlags {
  readonly name: string
  readonly to?: LoadOptions['kind']
  readonly cluster?: string
  readonly socket?: string
  readonly kubeconfig?: string
  readonly context?: string
  readonly dryRun?: boolean
  readonly output: Output
}

export function loadCommand({ terminal }: CommandContext): Command {
  const command = new Command('load')
    .description(
      "bring trow's own image to a cluster of this machine: kind, minikube, k3d, k3s, Docker Desktop",
    )
    .addHelpText(
      ...examples('trow image load', 'trow image load --to kind --cluster dev', 'trow image load --dry-run'),
    )
    .addOption(
      new Option('--to <kind>', 'kind of the cluster, where the context does not tell').choices(loadKinds),
    )
    .option('--cluster <name>', 'cluster of kind or k3d, profile of minikube')
    .option('--socket <path>', 'socket of a containerd')
    .option('--name <reference>', 'what the image is called there', ownReference())
    .option('--kubeconfig <file>', 'a kubeconfig (default: as kubectl finds it)')
    .option('--context <name>', 'a kube context (default: the current one)')
    .option('--dry-run', 'print the commands, run nothing')
    .addOption(outputOption(...objectOutputs))
  return addBuildOptions(command, machinePlatform().name).action(async (flags: LoadFlags) => {
    const target = chooseLoadTarget(
      { kind: flags.to, cluster: flags.cluster, socket: flags.socket },
      see(flags, terminal),
    )
    const loaded = { name: flags.name, target: target.kind }
    if (flags.dryRun === true) {
      const name = flags.name === ownReference() ? '' : ` --name ${flags.name}`
      const lines = [`trow image save --platform ${flags.platform}${name} trow-image.tar`]
      for (const call of loadCalls(target, 'trow-image.tar')) lines.push(printCall(call))
      return printLoad({ ...loaded, isDryRun: true, commands: lines }, flags.output, terminal)
    }
    if (needsRoot(target) && process.getuid?.() !== 0) throw needRoot(target.kind)
    const commands: string[] = []
    const folder = await mkdtemp(join(tmpdir(), 'trow-image-'))
    let image: Image
    try {
      const file = join(folder, 'trow-image.tar')
      image = await longWork(terminal, { output: flags.output, kept }, async ({ progress }) => {
        const built = await buildOwnImage(flags, terminal, progress)
        await saveArchive(built, { file, name: flags.name, terminal, progress })
        return built
      })
      const run = machinePrograms(terminal.env)
      for (const call of loadCalls(target, file)) {
        commands.push(printCall(call))
        terminal.stderr.write(`${printCall(call)}\n`)
        const { code, stdout, stderr } = await run(call)
        if (code === 0) continue
        throw new UserError(
          'IMAGE_LOAD_FAILED',
          `${printCall(call)}: ${(stderr || stdout).trim() || `exit code ${code}`}`,
          {
            hint: `trow image load --dry-run prints the commands; --to names another kind of cluster.`,
          },
        )
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
    const hint = keepingHint(target, flags.name)
    if (hint !== undefined) terminal.stderr.write(`${hint}\n`)
    const { digest } = image.index
    await printLoad({ ...loaded, digest, isDryRun: false, commands }, flags.output, terminal)
  })
}

const kept = `Nothing was loaded; ${downloadsKept}`

async function printLoad(result: Result<'ImageLoad'>, output: Output, terminal: Terminal): Promise<void> {
  if (output !== 'text') return printResult('ImageLoad', result, output, terminal)
  terminal.stdout.write(`${(result.isDryRun ? result.commands : [result.name]).join('\n')}\n`)
}

function see({ kubeconfig, context, to }: LoadFlags, { env, cwd }: Terminal): LoadFacts {
  return {
    context: contextFacts(() => loadKubeContext({ env, cwd, kubeconfig, context }), {
      isNeeded: to === undefined,
      isNamed: (kubeconfig ?? context) !== undefined,
    }),
    hasFile: existsSync,
    hasProgram: (name) => findOnPath(name, env) !== undefined,
  }
}

/** A node has no kubeconfig. A missing one is therefore an error only if the user named one. */
function contextFacts(
  load: () => { readonly name: string; readonly cluster: { readonly server: string } },
  { isNeeded, isNamed }: { readonly isNeeded: boolean; readonly isNamed: boolean },
): LoadFacts['context'] {
  try {
    const { name, cluster } = load()
    return { name, server: cluster.server }
  } catch (error) {
    if (!(error instanceof UserError) || isNamed) throw error
    if (isNeeded && error.code !== 'KUBECONFIG_MISSING') throw error
    return undefined
  }
}

function needRoot(kind: string): UserError {
  return new UserError('IMAGE_LOAD_NEEDS_ROOT', `only root loads images into ${kind}`, {
    hint: 'Run it as root; trow image load --dry-run prints the commands.',
    exitCode: exitCode.notPermitted,
  })
}
