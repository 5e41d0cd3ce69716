type Done<T> = (error: NodeJS.ErrnoException | null, value?: T) => void

/** Awaits one `fs` call of the callback kind, which costs less than its promise twin. */
export function systemCall<T = void>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error === null || error === undefined ? resolve(value as T) : reject(error)))
  })
}

export function hasErrorCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '')
}
