import { Command } from 'commander'
import { decide, type Answer, type RequestedImage } from '../../policy/decide.ts'
import { parseImageReference, printReference } from '../../policy/image-reference.ts'
import { PolicySet, type JudgeSettings } from '../../policy/policy-set.ts'
import { loadSoundPolicies } from '../../policy-store/load-files.ts'
import { exitCode } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printResult, type Result } from '../result/print-result.ts'
import { readCaseFile, type CaseFile, type PolicyCase } from './case-file.ts'
import { exceptionSettings } from './exception-settings.ts'
import { ownHostsOf } from './own-hosts.ts'
import { examples } from '../help/examples.ts'

export function testCommand({ terminal, finish }: CommandContext): Command {
  return new Command('test')
    .description('ask policies what files of cases ask, with recorded content and a clock that stands')
    .addHelpText(...examples('trow policy test cases/'))
    .argument('<files...>', 'files of cases; docs/policy.md shows one')
    .addOption(outputOption(...objectOutputs))
    .action(async (files: readonly string[], { output }: { readonly output: Output }) => {
      let passed = 0
      const failures: Result<'PolicyTest'>['failures'][number][] = []
      for (const file of files) {
        const cases = readCaseFile(file)
        const now = cases.now ?? Date.now()
        const set = setOf(cases, now, (line) => void terminal.stderr.write(`${line}\n`))
        for (const each of cases.cases) {
          const wanted = wordOf(each.expect, each.reason)
          const got = answerWord(ask(each, { set, cases, now }), each)
          if (got === wanted) passed++
          else failures.push({ file, name: each.name, expected: wanted, got })
        }
      }
      const failed = failures.length
      if (output !== 'text') await printResult('PolicyTest', { passed, failed, failures }, output, terminal)
      else {
        for (const { file, name, expected, got } of failures)
          terminal.stdout.write(`${file}: ${name}: expected ${expected}, got ${got}\n`)
        terminal.stderr.write(`${passed} passed, ${failed} failed\n`)
      }
      finish(failed === 0 ? 0 : exitCode.problemsFound)
    })
}

function setOf(
  { policies: paths, ownHosts: written }: CaseFile,
  now: number,
  print: (line: string) => void,
): PolicySet {
  const ownHosts = ownHostsOf(written)
  const { policies, exceptions } = loadSoundPolicies(paths, exceptionSettings(ownHosts, now), print)
  return new PolicySet(policies, exceptions, { ownHosts, shortNames: 'docker.io', noPolicy: 'allow' })
}

function ask(
  { image: name, point, namespace }: PolicyCase,
  { set, cases, now }: { readonly set: PolicySet; readonly cases: CaseFile; readonly now: number },
): Answer {
  const canonical = canonicalName(name, set.settings)
  const fact = canonical === undefined ? undefined : cases.facts.get(canonical)
  const image: RequestedImage = { place: '', name, fact }
  return decide({ point, namespace, images: [image] }, set, now)
}

function canonicalName(name: string, settings: JudgeSettings): string | undefined {
  const reference = parseImageReference(name, settings)
  return reference.kind === 'problem' ? undefined : printReference(reference)
}

function wordOf(kind: Answer['kind'], reason: string | undefined): string {
  return reason === undefined ? kind : `${kind} ${reason}`
}

/** Includes the reason if the case expects one. */
function answerWord(answer: Answer, { reason }: PolicyCase): string {
  if (answer.kind !== 'deny' || reason === undefined) return answer.kind
  return wordOf('deny', answer.verdicts[0]?.refusals[0]?.reason)
}
