const worthFreeing = 4 * 1024

/**
 * Frees the memory of a chunk that nobody reads any more, at once, if the chunk is all that the memory holds. The garbage
 * collector sees only the small object that owns it, and would leave tens of megabytes waiting.
 */
export function freeMemory({ buffer, byteLength }: Uint8Array): void {
  if (byteLength >= worthFreeing && byteLength === buffer.byteLength && buffer instanceof ArrayBuffer)
    buffer.transfer(0)
}
