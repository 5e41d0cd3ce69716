import { UserError } from '../user-error.ts'

const earliest = Date.UTC(2025, 0, 1)
const backwards = 24 * 3_600_000

/**
 * Throws UserError CLOCK_ABSURD when the clock is impossibly early or has gone back by more than a day:
 * garbage collection and certificates depend on it.
 */
export function checkClock(now: number, lastSeen: number | undefined): void {
  const shown = new Date(now).toISOString()
  if (now < earliest) {
    throw new UserError('CLOCK_ABSURD', `the clock says ${shown}, which cannot be`, {
      hint: 'Set the clock (timedatectl set-ntp true) and start again.',
    })
  }
  if (lastSeen !== undefined && now < lastSeen - backwards) {
    throw new UserError(
      'CLOCK_ABSURD',
      `the clock says ${shown}, but this registry has seen ${new Date(lastSeen).toISOString()}`,
      { hint: 'Set the clock (timedatectl set-ntp true) and start again.' },
    )
  }
}
