/** The first kubelet that hands tokens of service accounts to credential providers (KEP-4412, beta): 1.34. */
export const oldestTokenMinor = 34

/** The minor of `v1.37.2`; Infinity from 2 on, below zero where that is no version. */
export function minorOf(version: string): number {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version) ?? []
  if (major === undefined) return -1
  return Number(major) > 1 ? Infinity : Number(minor)
}
