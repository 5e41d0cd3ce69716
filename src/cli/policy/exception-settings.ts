import { usualLongestException, type ExceptionSettings } from '../../policy/trow-exception.ts'

/** The settings with which offline commands check exceptions. */
export function exceptionSettings(ownHosts: ReadonlySet<string>, now: number): ExceptionSettings {
  return { ownHosts, now, longestException: usualLongestException, requireTicket: false }
}
