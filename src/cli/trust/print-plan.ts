import { printCall } from '../../trust/docker/program-runner.ts'
import { sudoCalls, type FileStep, type TrustPlan, type TrustStep } from '../../trust/docker/trust-step.ts'
import type { Result } from '../result/print-result.ts'

/** Prints files as a diff, and commands as a user would type them. */
export function printPlan({ steps, notes }: TrustPlan): string {
  return [...steps.map(planned), ...notes.map((note) => `${note}\n`)].join('')
}

/** Formats one line about the current step. */
export function printStep(step: TrustStep): string {
  if (step.kind === 'command') return `${step.purpose}: ${printCall(step.call)}`
  return `${verbOf(step)} ${step.path}${step.sudo ? ' with sudo' : ''}`
}

/** Returns what a result has of a step. */
export function stepResult(step: TrustStep): Result<'EngineTrust'>['steps'][number] {
  return step.kind === 'command'
    ? { action: 'run', purpose: step.purpose, command: printCall(step.call) }
    : { action: verbOf(step), path: step.path, withSudo: step.sudo }
}

function verbOf({ before, after }: FileStep): 'create' | 'change' | 'remove' {
  if (after === undefined) return 'remove'
  return before === undefined ? 'create' : 'change'
}

function planned(step: TrustStep): string {
  if (step.kind === 'command') {
    const input = step.call.input === undefined ? '' : linesOf('  < ', String(step.call.input))
    return `# ${step.purpose}\n$ ${printCall(step.call)}\n${input}`
  }
  const { path, before, after } = step
  const head = `--- ${before === undefined ? '/dev/null' : path}\n+++ ${after === undefined ? '/dev/null' : path}\n`
  const commands = step.sudo ? sudoCalls(step).map((call) => `$ ${printCall(call)}\n`) : []
  return `${head}${difference(before, after)}${commands.join('')}`
}

/** Returns the lines that differ, without the common first and last lines. */
function difference(before = '', after = ''): string {
  const [old, now] = [before.split('\n'), after.split('\n')]
  let start = 0
  while (start < Math.min(old.length, now.length) && old[start] === now[start]) start++
  let end = 0
  while (end < Math.min(old.length, now.length) - start && old.at(-1 - end) === now.at(-1 - end)) end++
  const removed = old.slice(start, old.length - end).join('\n')
  const added = now.slice(start, now.length - end).join('\n')
  return `${removed === '' ? '' : linesOf('-', removed)}${added === '' ? '' : linesOf('+', added)}`
}

function linesOf(prefix: string, text: string): string {
  return text
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => `${prefix}${line}\n`)
    .join('')
}
