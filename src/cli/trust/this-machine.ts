import { tmpdir } from 'node:os'
import type { DeveloperMachine } from '../../trust/docker/machine.ts'
import { machinePrograms, type ProgramRunner } from '../../trust/docker/program-runner.ts'
import { UserError } from '../../user-error.ts'
import { home } from '../../login/engine.ts'
import type { Terminal } from '../streams.ts'

/** Throws UserError ENGINE_MISSING on a system for which trow knows no engine. */
export function thisMachine({ env }: Pick<Terminal, 'env'>): DeveloperMachine {
  const { platform } = process
  if (platform !== 'linux' && platform !== 'darwin' && platform !== 'win32') {
    throw new UserError('ENGINE_MISSING', `trow knows no container engine on ${platform}`)
  }
  const run: ProgramRunner = machinePrograms(env)
  return {
    platform,
    env,
    home: slashes(home(env)),
    uid: process.getuid?.(),
    root: '/',
    temporary: slashes(tmpdir()),
    run,
  }
}

function slashes(path: string): string {
  return process.platform === 'win32' ? path.replaceAll('\\', '/') : path
}
