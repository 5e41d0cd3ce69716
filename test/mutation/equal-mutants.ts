interface EqualMutant {
  readonly file: string
  readonly mutant: string
  readonly why: string
}

/** Changes that no test can notice, since nothing that anybody sees changes, and why. */
export const equalMutants: readonly EqualMutant[] = []
