import { mkdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { reasonOf } from '../../reason-of.ts'
import { UserError } from '../../user-error.ts'
import type { DeveloperMachine } from './machine.ts'
import { printCall, type ProgramCall } from './program-runner.ts'
import { sudoCalls, type CommandStep, type FileStep, type TrustStep } from './trust-step.ts'

/**
 * Makes one step after the other and stops at the first that fails; a second run continues from there. Throws
 * UserError TRUST_STEP_FAILED, TRUST_CHANGED_MEANWHILE.
 */
export async function carryOut(
  machine: DeveloperMachine,
  steps: readonly TrustStep[],
  tell: (step: TrustStep) => void,
): Promise<void> {
  for (const step of steps) {
    tell(step)
    if (step.kind === 'command') await runCommand(machine, step)
    else if (step.sudo) for (const call of sudoCalls(step)) await run(machine, call)
    else await changeFile(step)
  }
}

async function runCommand(machine: DeveloperMachine, { call, scratch }: CommandStep): Promise<void> {
  if (scratch === undefined) return run(machine, call)
  await writeFile(scratch.path, scratch.content, { mode: 0o600, flag: 'wx' })
  try {
    await run(machine, call)
  } finally {
    await rm(scratch.path, { force: true })
  }
}

async function run(machine: DeveloperMachine, call: ProgramCall): Promise<void> {
  const { code, stdout, stderr } = await machine.run(call)
  if (code === 0) return
  const said = `${stderr}${stdout}`.trim()
  throw new UserError(
    'TRUST_STEP_FAILED',
    `${printCall(call)} ${code === undefined ? 'did not run' : `ended with ${code}`}${said === '' ? '' : `: ${said}`}`,
    { hint: 'What was done before it stays; run the command again, or take it back with --undo.' },
  )
}

async function changeFile({ path, before, after, folders }: FileStep): Promise<void> {
  const present = await readFile(path, 'utf8').catch(() => undefined)
  if (present !== before) {
    throw new UserError('TRUST_CHANGED_MEANWHILE', `${path} was changed by somebody else meanwhile`, {
      hint: 'Run the command again.',
    })
  }
  try {
    if (after === undefined) {
      await rm(path)
      // `rmdir` removes a folder only if it is empty.
      for (const folder of folders) await rmdir(folder).catch(() => undefined)
      return
    }
    for (const folder of folders) await mkdir(folder, { mode: 0o755 })
    await writeFile(`${path}.part`, after, { mode: 0o644 })
    await rename(`${path}.part`, path)
  } catch (cause) {
    throw new UserError('TRUST_STEP_FAILED', `${path} cannot be written: ${reasonOf(cause)}`, {
      cause,
    })
  }
}
