/**
 * Resolves or rejects as `work` does. Once the signal has fired, resolves with what `late` returns, or rejects with what it
 * throws: then the outcome of `work` is ignored.
 */
export async function inTime<Value>(
  work: Promise<Value>,
  signal: AbortSignal,
  late: () => Value,
): Promise<Value> {
  const over = Promise.withResolvers<void>()
  const end = (): void => over.resolve()
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  try {
    return await Promise.race([work, over.promise.then(late)])
  } finally {
    signal.removeEventListener('abort', end)
    work.catch(() => undefined)
  }
}
