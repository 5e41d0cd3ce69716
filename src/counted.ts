/** `1 blob`, `2 blobs`. `many` is needed for a noun that does not take an s: `1 policy`, `2 policies`. */
export function counted(number: number, noun: string, many = `${noun}s`): string {
  return `${number} ${nounFor(number, noun, many)}`
}

/** The noun alone, for a number that is written in another way. */
export function nounFor(number: number, noun: string, many = `${noun}s`): string {
  return number === 1 ? noun : many
}
