import { printCall } from '../../trust/docker/program-runner.ts'
import { sudoCalls, type TrustPlan, type TrustStep } from '../../trust/docker/trust-step.ts'

/** Files as a diff, commands as a person would type them. */
export function printPlan({ steps, notes }: TrustPlan): string {
  return [...steps.map(planned), ...notes.map((note) => `${note}\n`)].join('')
}

/** One line for what is being done. */
export function printStep(step: TrustStep): string {
  if (step.kind === 'command') return `${step.purpose}: ${printCall(step.call)}`
  const verb = step.after === undefined ? 'remove' : step.before === undefined ? 'create' : 'change'
  return `${verb} ${step.path}${step.sudo ? ' with sudo' : ''}`
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

/** Both texts but for what they begin and end with alike. */
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
