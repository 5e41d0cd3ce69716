/** About 100,000 manifests of a common size. The operating system allocates the memory as the cache fills. */
export const sharedCacheBytes = 96 * 1024 * 1024
