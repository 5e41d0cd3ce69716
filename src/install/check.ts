import type { Check, CheckCategory } from '../cluster/check.ts'

/** The result of one check before an install. */
export interface PreflightCheck extends Check {
  /** A stable id for `--ignore-preflight`, such as `storage`. */
  readonly id: string
  /** True for a check that cannot be ignored: an install in spite of it would fail. */
  readonly isFinal?: boolean
}

export interface PreflightCategory extends CheckCategory {
  readonly checks: readonly PreflightCheck[]
}

export interface CheckReport {
  /** True if no check has failed; there may be warnings. */
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

/** Marks a failed check as one that cannot be ignored. */
export function final(check: PreflightCheck): PreflightCheck {
  return check.result === 'error' ? { ...check, isFinal: true } : check
}

/** Turns errors with an ignored id into warnings; `all` ignores every one. */
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
