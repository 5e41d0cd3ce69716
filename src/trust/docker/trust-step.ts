import type { ProgramCall } from './program-runner.ts'

/** What is not done without a yes. */
export type Consent = 'sudo' | 'keychain' | 'restart'

/** A whole file, made, changed or (`after` undefined) taken away. */
export interface FileStep {
  readonly kind: 'file'
  readonly path: string
  readonly before: string | undefined
  readonly after: string | undefined
  /** Folders to make before it, outermost first, or to take away after it where nothing else is in them, innermost first. */
  readonly folders: readonly string[]
  /** Only root may. */
  readonly sudo: boolean
}

export interface CommandStep {
  readonly kind: 'command'
  readonly call: ProgramCall
  /** What it is for, in words. */
  readonly purpose: string
  readonly consent?: Consent
  /** A file that is there only while the command runs. */
  readonly scratch?: { readonly path: string; readonly content: string }
}

export type TrustStep = FileStep | CommandStep

/** All that is to be done for one engine; nothing, where it is as it should be. */
export interface TrustPlan {
  readonly steps: readonly TrustStep[]
  /** What the person should know besides. */
  readonly notes: readonly string[]
}

/** What the plan must not do without asking. */
export function consentsOf({ steps }: TrustPlan): readonly Consent[] {
  const all = steps.flatMap((step) =>
    step.kind === 'file' ? (step.sudo ? (['sudo'] as const) : []) : (step.consent ?? []),
  )
  return [...new Set(all)]
}

/** What sudo is asked to do for a file: it appears whole, under its name, or not at all. */
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
