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
import { exceptionSettings } from './exception-settings.ts'
import { ownHostsOf } from './own-hosts.ts'
import { testCommand } from './test-command.ts'

export function policyCommand(context: CommandContext): Command {
  const { terminal, finish } = context
  const command = new Command('policy').description('check image policies in files, and ask them')
  const withFiles = (child: Command): Command =>
    child
      .argument('<files...>', 'files with TrowPolicy and TrowException, or folders of them')
      .option(
        '--own-host <host>',
        'a host, with its port, under which clients reach the registry; again for more',
        collect,
      )
      .addOption(
        new Option('-o, --output <format>', 'text or json').choices(['text', 'json']).default('text'),
      )

  const linting = withFiles(new Command('lint'))
    .description('find what does not load, and what is likely not meant')
    .action((files: readonly string[], options: FileOptions) => {
      const now = Date.now()
      const read = loadPolicyFiles(files, exceptionSettings(ownHostsOf(options.ownHost ?? []), now))
      const found = [
        ...read.problems.map((problem) => ({ level: 'error', ...problem })),
        ...lintPolicies(read.documents, now).map((finding) => ({
          level: 'warning',
          ...read.placed(finding, finding),
        })),
      ]
      if (options.output === 'json') terminal.exact.stdout.write(`${JSON.stringify(found)}\n`)
      else {
        for (const { level, ...problem } of found) terminal.stdout.write(`${problemLine(problem, level)}\n`)
        if (found.length === 0) terminal.stderr.write(`${countText(read)}, nothing found\n`)
      }
      finish(found.length === 0 ? 0 : exitCode.problemsFound)
    })

  const evaluating = withFiles(new Command('eval'))
    .description('say what the policies say of names of images, without looking at their content')
    .requiredOption('--image <name>', 'a name, as a pod has it; again for more', collect)
    .option('--namespace <name>', 'the namespace of the pod; policies that are limited to some need it')
    .addOption(new Option('--point <point>', 'where it is asked').choices(points).default('admission'))
    .action((files: readonly string[], options: EvalOptions) => {
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
      if (options.output === 'json') terminal.exact.stdout.write(`${JSON.stringify(answerJson(answer))}\n`)
      else terminal.stdout.write(`${answerText(answer)}\n`)
      finish(answer.kind === 'allow' ? 0 : exitCode.problemsFound)
    })

  command.addCommand(linting)
  command.addCommand(evaluating)
  command.addCommand(testCommand(context))
  return command
}

/** An option that may be given several times; one that took several values would take the files behind it too. */
function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

interface FileOptions {
  readonly ownHost?: readonly string[]
  readonly output: string
}

interface EvalOptions extends FileOptions {
  readonly image: readonly string[]
  readonly namespace?: string
  readonly point: Point
}

function countText({ documents: { policies, exceptions } }: LoadedFiles): string {
  return `${policies.length} policies, ${exceptions.length} exceptions`
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

function answerJson(answer: Answer): unknown {
  if (answer.kind === 'needs')
    return { answer: 'needs', images: answer.images.map(({ name }) => ({ image: name })) }
  const { kind, verdicts, until } = answer
  return {
    answer: kind,
    until: until === undefined ? undefined : new Date(until).toISOString(),
    images: verdicts.map(({ image, ...rest }) => ({ image: image.name, ...rest })),
  }
}
