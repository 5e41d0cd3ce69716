import { counted } from '../../counted.ts'
import { Command, Option } from 'commander'
import { decide, type Answer } from '../../policy/decide.ts'
import type { Refusal } from '../../policy/judge-policy.ts'
import { lintPolicies } from '../../policy/lint.ts'
import { PolicySet } from '../../policy/policy-set.ts'
import { refusalText, warningTexts } from '../../policy/refusal-text.ts'
import { points, type Point } from '../../policy/trow-policy.ts'
import {
  loadPolicyFiles,
  loadSoundPolicies,
  problemLine,
  type LoadedFiles,
} from '../../policy-store/load-files.ts'
import { exitCode } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printList, printResult, type Result } from '../result/print-result.ts'
import { applyCommand } from './apply-command.ts'
import { exceptionSettings } from './exception-settings.ts'
import { explainCommand } from './explain-command.ts'
import { exportCommand } from './export-command.ts'
import { impactCommand } from './impact-command.ts'
import { allowCommand, denyCommand } from './list-command.ts'
import { ownHostsOf } from './own-hosts.ts'
import { statusCommand } from './status-command.ts'
import { testCommand } from './test-command.ts'
import { examples } from '../help/examples.ts'

export function policyCommand(context: CommandContext): Command {
  const { terminal, finish } = context
  const command = new Command('policy')
    .description('check, ask and edit image policies, and explain their refusals')
    .addHelpText(
      ...examples(
        'trow policy lint policies/',
        'trow policy impact -f policies/',
        'trow policy apply policies/',
        'trow policy explain ID',
      ),
    )
  const withFiles = (child: Command): Command =>
    child
      .argument('<files...>', 'files with TrowPolicy and TrowException, or folders of them')
      .option(
        '--own-host <host>',
        'a host, with its port, under which clients reach the registry; may be repeated',
        collect,
      )

  const linting = withFiles(new Command('lint'))
    .addOption(outputOption('text', 'json', 'yaml', 'jsonl'))
    .description('find what does not load, and what is likely not meant')
    .addHelpText(...examples('trow policy lint production.yaml', 'trow policy lint policies/ -o json'))
    .action(async (files: readonly string[], options: FileOptions) => {
      const now = Date.now()
      const read = loadPolicyFiles(files, exceptionSettings(ownHostsOf(options.ownHost ?? []), now))
      const found = [
        ...read.problems.map((problem) => ({ level: 'error' as const, ...problem })),
        ...lintPolicies(read.documents, now).map((finding) => ({
          level: 'warning' as const,
          ...read.placed(finding, finding),
        })),
      ]
      const { output } = options
      if (output !== 'text') await printList('PolicyFindingList', found.map(findingOf), { output, terminal })
      else {
        for (const { level, ...problem } of found) terminal.stdout.write(`${problemLine(problem, level)}\n`)
        if (found.length === 0) terminal.stderr.write(`${countText(read)}, nothing found\n`)
      }
      finish(found.length === 0 ? 0 : exitCode.problemsFound)
    })

  const evaluating = withFiles(new Command('eval'))
    .addOption(outputOption(...objectOutputs))
    .description('say what the policies say of names of images, without looking at their content')
    .addHelpText(
      ...examples(
        'trow policy eval policies/ --image docker.io/library/busybox:1 --namespace web',
        'trow policy eval policies/ --image team/app:1 --point pull -o json',
      ),
    )
    .requiredOption('--image <name>', 'a name, as a pod has it; may be repeated', collect)
    .option('--namespace <name>', 'the namespace of the pod; policies that are limited to some need it')
    .addOption(
      new Option('--point <point>', 'point at which the policies are asked')
        .choices(points)
        .default('admission'),
    )
    .action(async (files: readonly string[], options: EvalOptions) => {
      const now = Date.now()
      const ownHosts = ownHostsOf(options.ownHost ?? [])
      const print = (line: string): void => void terminal.stderr.write(`${line}\n`)
      const { policies, exceptions } = loadSoundPolicies(files, exceptionSettings(ownHosts, now), print)
      const set = new PolicySet(policies, exceptions, {
        ownHosts,
        shortNames: 'docker.io',
        noPolicy: 'allow',
      })
      const { point, namespace, image: names } = options
      const images = names.map((name) => ({ place: '', name, fact: undefined }))
      const answer = decide({ point, namespace, images }, set, now)
      if (options.output !== 'text')
        await printResult('PolicyEvaluation', { point, ...answerJson(answer) }, options.output, terminal)
      else terminal.stdout.write(`${answerText(answer)}\n`)
      finish(answer.kind === 'allow' ? 0 : exitCode.problemsFound)
    })

  command.addCommand(linting)
  command.addCommand(evaluating)
  for (const child of [
    testCommand(context),
    statusCommand(context),
    applyCommand(context),
    denyCommand(context),
    allowCommand(context),
    explainCommand(context),
    impactCommand(context),
    exportCommand(context),
  ])
    command.addCommand(child)
  return command
}

/**
 * For an option that may be repeated. An option with several values would take the file arguments behind it
 * as values too.
 */
function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

interface FileOptions {
  readonly ownHost?: readonly string[]
  readonly output: Output
}

interface EvalOptions extends FileOptions {
  readonly image: readonly string[]
  readonly namespace?: string
  readonly point: Point
}

function countText({ documents: { policies, exceptions } }: LoadedFiles): string {
  return `${counted(policies.length, 'policy', 'policies')}, ${counted(exceptions.length, 'exception')}`
}

function answerText(answer: Answer): string {
  if (answer.kind === 'needs')
    return `undecided: the policies have to see the content of ${answer.images.map(({ name }) => String(name)).join(', ')}`
  const refused = refusalText(answer.verdicts, undefined)
  const notes = answer.verdicts.flatMap(({ wouldDeny, excepted, image }) => [
    ...wouldDeny.map((each) => `recorded: ${noteText(image.name, each)}`),
    ...excepted.map(({ exception, refusal }) => `lifted by ${exception}: ${noteText(image.name, refusal)}`),
  ])
  const until = answer.until === undefined ? [] : [`until ${new Date(answer.until).toISOString()}`]
  const warnings = warningTexts(answer.verdicts).map((text) => `warning: ${text}`)
  return [refused ?? 'allowed', ...warnings, ...notes, ...until].join('\n')
}

function noteText(name: unknown, { policy, reason, detail }: Refusal): string {
  return `policy ${policy}, ${String(name)}: ${reason} ${detail}`
}

function findingOf({ level, file, line, column, message }: Result<'PolicyFinding'>): Result<'PolicyFinding'> {
  return { level, file, line, column, message }
}

function answerJson(answer: Answer): Omit<Result<'PolicyEvaluation'>, 'point'> {
  if (answer.kind === 'needs')
    return { answer: 'needs', images: answer.images.map(({ name }) => ({ image: String(name) })) }
  const { kind, verdicts, until } = answer
  return {
    answer: kind,
    until: until === undefined ? undefined : new Date(until).toISOString(),
    images: verdicts.map(({ image, ...rest }) => ({ image: String(image.name), ...rest })),
  }
}
