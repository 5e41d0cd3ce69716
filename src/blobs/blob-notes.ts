/** Small texts that are kept beside the blobs, for who else opens the store or a copy of it. */
export interface BlobNotes {
  /** All of them, by name. */
  read(): Promise<ReadonlyMap<string, string>>
  /** `name`: a UUID. Another process sees either the text before or this one. */
  write(name: string, text: string): Promise<void>
}

/** A longer one is none of ours. */
export const longestNote = 1024

export function isNoteName(name: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name)
}
