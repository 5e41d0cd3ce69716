import { usualLongestException, type ExceptionSettings } from '../../policy/trow-exception.ts'

/** What commands that work offline take exceptions by. */
export function exceptionSettings(ownHosts: ReadonlySet<string>, now: number): ExceptionSettings {
  return { ownHosts, now, longestException: usualLongestException, requireTicket: false }
}
