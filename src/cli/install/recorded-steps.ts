import type { Progress } from '../../install/install-context.ts'
import type { Result } from '../result/print-result.ts'

type Steps = Pick<Result<'Install'>, 'steps' | 'warnings'>

/** Shows the steps as `shown` does, and keeps what the result of the install has of them. */
export function recordSteps(shown: Progress): { readonly progress: Progress; readonly recorded: Steps } {
  const steps: Result<'Install'>['steps'][number][] = []
  const warnings: string[] = []
  const progress: Progress = {
    start: (title) => shown.start(title),
    state: (reasons) => shown.state(reasons),
    end(title, milliseconds) {
      steps.push({ description: title, durationSeconds: milliseconds / 1000 })
      shown.end(title, milliseconds)
    },
    warn(message) {
      warnings.push(message)
      shown.warn(message)
    },
  }
  return { progress, recorded: { steps, warnings } }
}
