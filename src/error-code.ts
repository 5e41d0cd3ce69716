/**
 * Returns the code of a thrown value: of a system call (`ENOENT`), of Node (`ERR_STREAM_PREMATURE_CLOSE`) or
 * of an error of trow; `undefined` if it has none. Accepts any value.
 */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Whether a system call gave this error. Accepts any value. */
export function isOfSystemCall(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'syscall' in error && error.syscall !== undefined
}
