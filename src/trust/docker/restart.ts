import type { ContainerEngine } from './engine.ts'
import type { DeveloperMachine } from './machine.ts'
import type { CommandStep, TrustPlan } from './trust-step.ts'

/**
 * Plans the restart after which an engine reads its certificates; no step for engines that read them at each
 * connection.
 */
export async function planRestart(
  machine: DeveloperMachine,
  { kind }: ContainerEngine,
): Promise<{ readonly steps: readonly CommandStep[]; readonly notes: TrustPlan['notes'] }> {
  if (kind === 'orbstack') return { steps: [restart('orb', 'restart', 'docker')], notes: [] }
  if (kind !== 'docker-desktop') return { steps: [], notes: [] }
  // The command exists in Docker Desktop 4.37 and later.
  const { code } = await machine.run({ program: 'docker', args: ['desktop', 'version'] })
  if (code === 0) return { steps: [restart('docker', 'desktop', 'restart')], notes: [] }
  switch (machine.platform) {
    case 'darwin':
      return {
        steps: [restart('osascript', '-e', 'quit app "Docker"'), restart('open', '-a', 'Docker')],
        notes: [],
      }
    case 'linux':
      return { steps: [restart('systemctl', '--user', 'restart', 'docker-desktop')], notes: [] }
    case 'win32':
      return { steps: [], notes: ['Restart Docker Desktop now: it reads the CA when it starts.'] }
  }
}

function restart(program: string, ...args: readonly string[]): CommandStep {
  return { kind: 'command', call: { program, args }, purpose: 'restart the engine', consent: 'restart' }
}
