import type { ProgramCall } from './program-runner.ts'

/** What trow does only after the user agrees. */
export type Consent = 'sudo' | 'keychain' | 'restart'

/** A whole file that is created, changed or, if `after` is `undefined`, removed. */
export interface FileStep {
  readonly kind: 'file'
  readonly path: string
  readonly before: string | undefined
  readonly after: string | undefined
  /**
   * Folders to create before the file, outermost first; or to remove after it if they are empty, innermost
   * first.
   */
  readonly folders: readonly string[]
  /** True if only root may write the file. */
  readonly sudo: boolean
}

export interface CommandStep {
  readonly kind: 'command'
  readonly call: ProgramCall
  /** What the command is for, as text. */
  readonly purpose: string
  readonly consent?: Consent
  /** A file that exists only while the command runs. */
  readonly scratch?: { readonly path: string; readonly content: string }
}

export type TrustStep = FileStep | CommandStep

/** Everything to do for one engine; empty if nothing is to be done. */
export interface TrustPlan {
  readonly steps: readonly TrustStep[]
  /** What the user should know besides. */
  readonly notes: readonly string[]
}

/** Returns what the plan needs the user's consent for. */
export function consentsOf({ steps }: TrustPlan): readonly Consent[] {
  const all = steps.flatMap((step) =>
    step.kind === 'file' ? (step.sudo ? (['sudo'] as const) : []) : (step.consent ?? []),
  )
  return [...new Set(all)]
}

/** Returns the sudo commands for a file. The file appears as a whole under its name, or not at all. */
export function sudoCalls({ path, after, folders }: FileStep): readonly ProgramCall[] {
  const sudo = (...args: readonly string[]): ProgramCall => ({ program: 'sudo', args })
  if (after === undefined) {
    const gone = folders.map((folder) => sudo('rmdir', '--ignore-fail-on-non-empty', folder))
    return [sudo('rm', '-f', path), ...gone]
  }
  const part = `${path}.part`
  return [
    ...folders.map((folder) => sudo('mkdir', '-m', '0755', folder)),
    { ...sudo('tee', part), input: after },
    sudo('chmod', '0644', part),
    sudo('mv', '-f', part, path),
  ]
}
