/**
 * The minor version of the first kubelet that passes service account tokens to credential providers
 * (KEP-4412, beta): 1.34.
 */
export const oldestTokenMinor = 34

/**
 * Returns the minor version of `v1.37.2`; Infinity for a major version of 2 or more; negative if the text is
 * no version.
 */
export function minorOf(version: string): number {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version) ?? []
  if (major === undefined) return -1
  return Number(major) > 1 ? Infinity : Number(minor)
}
