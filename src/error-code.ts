/**
 * The code of what was thrown: of a system call (`ENOENT`), of Node (`ERR_STREAM_PREMATURE_CLOSE`), of an error of ours;
 * undefined where it has none. Takes anything.
 */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
