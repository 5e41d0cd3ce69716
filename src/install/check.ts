import type { Check, CheckCategory } from '../cluster/check.ts'

/** One thing looked at before an install. */
export interface PreflightCheck extends Check {
  /** For `--ignore-preflight`: stable, `storage`. */
  readonly id: string
  /** An install that went on in spite of it could not end well: it is nothing to be ignored. */
  readonly isFinal?: boolean
}

export interface PreflightCategory extends CheckCategory {
  readonly checks: readonly PreflightCheck[]
}

export interface CheckReport {
  /** No check has failed; warnings may be there. */
  readonly success: boolean
  readonly categories: readonly PreflightCategory[]
}

export function passed(id: string, description: string): PreflightCheck {
  return { id, description, result: 'success' }
}

export function warned(id: string, description: string, error: string, hint?: string): PreflightCheck {
  return { id, description, result: 'warning', error, ...(hint === undefined ? {} : { hint }) }
}

export function failed(id: string, description: string, error: string, hint?: string): PreflightCheck {
  return { id, description, result: 'error', error, ...(hint === undefined ? {} : { hint }) }
}

/** One that has failed, and that no install gets past. */
export function final(check: PreflightCheck): PreflightCheck {
  return check.result === 'error' ? { ...check, isFinal: true } : check
}

/** Errors whose id is ignored become warnings; `all` stands for every one. */
export function reportOf(categories: readonly PreflightCategory[], ignored: readonly string[]): CheckReport {
  const softened = categories.map(({ categoryName, checks }) => ({
    categoryName,
    checks: checks.map((check): PreflightCheck =>
      check.result === 'error' && (ignored.includes(check.id) || ignored.includes('all'))
        ? { ...check, result: 'warning' }
        : check,
    ),
  }))
  const success = softened.every(({ checks }) => checks.every(({ result }) => result !== 'error'))
  return { success, categories: softened }
}
