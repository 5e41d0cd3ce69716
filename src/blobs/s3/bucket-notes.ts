import { isNoteName, longestNote, type BlobNotes } from '../blob-notes.ts'
import { noteName, notesFolder } from './object-names.ts'
import type { S3Objects } from './s3-objects.ts'

/** Notes as objects of a bucket. */
export class BucketNotes implements BlobNotes {
  readonly #objects: S3Objects

  constructor(objects: S3Objects) {
    this.#objects = objects
  }

  async read(): Promise<ReadonlyMap<string, string>> {
    const notes = new Map<string, string>()
    for await (const { name, size } of this.#objects.list(notesFolder)) {
      const own = name.slice(notesFolder.length)
      if (!isNoteName(own) || size > longestNote) continue
      const text = await this.#objects.text(name)
      if (text !== undefined) notes.set(own, text)
    }
    return notes
  }

  write(name: string, text: string): Promise<void> {
    return this.#objects.put(noteName(name), Buffer.from(text))
  }
}
