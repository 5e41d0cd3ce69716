import { OciError } from '../../oci/oci-error.ts'
import {
  newDataKey,
  type BlobReader,
  type BlobStore,
  type ByteSource,
  type DataKey,
  type Received,
  type ReceiveOptions,
  type StagedContent,
  type StoredObject,
} from '../blob-store.ts'
import type { BlobNotes } from '../blob-notes.ts'
import { drain } from '../drain.ts'
import { BucketNotes } from './bucket-notes.ts'
import { compose, readParts } from './compose.ts'
import { blobName, keyOfObject, partName, partsOf } from './object-names.ts'
import { ObjectReader } from './object-reader.ts'
import { openObject, streamObject, type OpenObject } from './object-stream.ts'
import { ObjectWriter } from './object-writer.ts'
import { PartBudget } from './part-budget.ts'
import { cutParts, decodeParts, encodeParts, type UploadPart } from './parts.ts'
import { isMissing } from './s3-fault.ts'
import { sizeOf, type S3Objects } from './s3-objects.ts'
import { refusing, refusingSource } from './refusals.ts'
import { newPartName, UploadWriter } from './upload-writer.ts'

/** Seconds. A client that is slow to follow still does; a URL that is found later is of no use. */
const urlLife = 20 * 60

export interface S3BlobStoreParts {
  readonly objects: S3Objects
  /** Bytes of buffers in which parts of this thread's uploads wait. */
  readonly partBytes: number
  /** Milliseconds that a client may keep a buffer while others wait. */
  readonly patience?: number
  /** Bytes that can be written before something else than S3 is full. */
  readonly room: () => Promise<number>
  /** Whether clients are sent to the bucket. */
  readonly redirects?: boolean
}

/**
 * Blobs as objects of one bucket. An upload of one request is one object from its first byte on, so that publishing it asks
 * S3 nothing. Every later request of an upload writes an object of its own, and the upload lists them: what a request that
 * was given up still writes is never part of an upload.
 */
export class S3BlobStore implements BlobStore {
  readonly #objects: S3Objects
  readonly #budget: PartBudget
  readonly #room: () => Promise<number>
  readonly redirect: BlobStore['redirect']
  readonly notes: BlobNotes

  constructor({ objects, partBytes, patience, room, redirects = false }: S3BlobStoreParts) {
    this.#objects = objects
    this.#budget = new PartBudget(partBytes, patience)
    this.#room = room
    this.notes = new BucketNotes(objects)
    if (redirects) this.redirect = (key) => refusing(() => objects.presign(blobName(key), urlLife))
  }

  async receive(source: ByteSource, options: ReceiveOptions, signal?: AbortSignal): Promise<Received> {
    const { content, expectedBytes } = options
    const key = content.kind === 'staged' ? content.key : newDataKey()
    const name = content.kind === 'staged' ? newPartName() : ''
    const before = content.kind === 'staged' ? content.size : content.bytes.length
    const inline: Uint8Array[] = content.kind === 'inline' ? [content.bytes] : []
    let inlineSize = content.kind === 'inline' ? before : 0
    let parts: readonly UploadPart[] = []
    let writer: UploadWriter | undefined
    const open = (): UploadWriter => {
      const length =
        expectedBytes === undefined ? undefined : expectedBytes + (content.kind === 'inline' ? before : 0)
      return new UploadWriter({ objects: this.#objects, budget: this.#budget }, { key, name, length })
    }
    const begin = async (chunk: Uint8Array): Promise<void> => {
      if (content.kind === 'staged') parts = (await this.#present(content)) ?? unknownUpload(content.key)
      writer = open()
      for (const each of inline.splice(0)) await writer.append(each)
      await writer.append(chunk)
    }
    const append = (chunk: Uint8Array): Promise<void> | undefined => {
      if (writer !== undefined) return writer.append(chunk)
      if (content.kind === 'staged' || inlineSize + chunk.length > options.inlineLimit) return begin(chunk)
      inlineSize += chunk.length
      // Copied, because the source may reuse the chunk's memory.
      inline.push(Uint8Array.from(chunk))
      return undefined
    }
    return refusing(async () => {
      try {
        const outcome = await drain(source, options, { append }, signal)
        if (writer === undefined) {
          return {
            ...outcome,
            content: content.kind === 'staged' ? content : { kind: 'inline', bytes: Buffer.concat(inline) },
          }
        }
        const all = encodeParts([...parts, ...(await writer.finish())])
        return { ...outcome, content: { kind: 'staged', key, size: before + outcome.received, parts: all } }
      } catch (error) {
        await writer?.abandon()
        throw error
      }
    })
  }

  publish(content: StagedContent): Promise<DataKey> {
    return refusing(async () => {
      const parts = (await this.#known(content)) ?? unknownUpload(content.key)
      const [first] = parts
      if (parts.length === 1 && first?.name === '' && first.used === first.stored) return content.key
      const key = newDataKey()
      await compose({ objects: this.#objects, budget: this.#budget }, { key: content.key, parts }, key)
      return key
    })
  }

  adopt(key: DataKey, source: ByteSource, signal?: AbortSignal): Promise<number> {
    return refusing(async () => {
      const writer = new ObjectWriter(this.#objects, this.#budget, blobName(key))
      try {
        for await (const chunk of source) {
          signal?.throwIfAborted()
          await writer.append(chunk)
        }
        await writer.finish()
        return writer.size
      } catch (error) {
        await writer.abandon()
        throw error
      }
    })
  }

  size(key: DataKey): Promise<number | undefined> {
    return refusing(() => this.#objects.size(blobName(key)))
  }

  /** Asks for the whole object at once: its answer says whether there is one, and the stream of it uses that answer. */
  open(key: DataKey): Promise<BlobReader | undefined> {
    return refusing(async () => {
      const name = blobName(key)
      let unread: OpenObject | undefined
      let size: number
      try {
        const answer = await openObject(this.#objects, name, undefined)
        unread = answer
        size = sizeOf(answer)
      } catch (error) {
        if (isMissing(error)) return undefined
        throw error
      }
      const { etag } = unread
      const drop = (): void => {
        unread?.body.destroy()
        unread = undefined
      }
      return new ObjectReader(
        size,
        (range, signal) => {
          const answer = range === undefined ? unread : undefined
          if (answer === undefined) drop()
          unread = undefined
          const bounds = range ?? { start: 0, end: size - 1 }
          return refusingSource(streamObject(this.#objects, name, bounds, { first: answer, etag }, signal))
        },
        drop,
      )
    })
  }

  openStaged(content: StagedContent): Promise<BlobReader | undefined> {
    return refusing(async () => {
      const parts = await this.#present(content)
      if (parts === undefined) return undefined
      return new ObjectReader(content.size, (range, signal) =>
        refusingSource(readParts(this.#objects, { key: content.key, parts }, signal, range)),
      )
    })
  }

  remove(key: DataKey): Promise<void> {
    return refusing(async () => {
      await this.#objects.remove(blobName(key))
      for await (const { name } of this.#objects.list(partsOf(key))) await this.#objects.remove(name)
    })
  }

  async *list(): AsyncIterable<StoredObject> {
    for (const folder of ['blobs/', 'parts/']) {
      for await (const { name, size, modifiedAt } of this.#objects.list(folder)) {
        const key = keyOfObject(name)
        if (key !== undefined) yield { key, size, modifiedAt }
      }
    }
  }

  async dropUnfinished(before: number): Promise<number> {
    let dropped = 0
    for await (const upload of this.#objects.unfinished()) {
      if (keyOfObject(upload.name) === undefined || !(upload.startedAt < before)) continue
      await this.#objects.abort(upload)
      dropped++
    }
    return dropped
  }

  room(): Promise<number> {
    return this.#room()
  }

  close(): Promise<void> {
    return this.#objects.client.close()
  }

  /** As `#known`, where the last of the parts is there. */
  async #present(content: StagedContent): Promise<readonly UploadPart[] | undefined> {
    const parts = await this.#known(content)
    const last = parts?.at(-1)
    if (content.parts === undefined || last === undefined) return parts
    const size = await this.#objects.size(partName(content.key, last))
    return size === undefined || size < last.used ? undefined : parts
  }

  /** The parts that hold the content; asks S3 only where they were not passed. Undefined: they hold less. */
  async #known(content: StagedContent): Promise<readonly UploadPart[] | undefined> {
    if (content.parts !== undefined) return cutParts(decodeParts(content.parts), content.size)
    const stored = await this.#objects.size(blobName(content.key))
    return stored === undefined ? undefined : cutParts([{ name: '', used: stored, stored }], content.size)
  }
}

function unknownUpload(key: DataKey): never {
  throw new OciError('BLOB_UPLOAD_UNKNOWN', 'the upload is not known any more', {
    detail: 'its bytes are gone: begin a new upload',
    cause: new Error(`${key} is not in the bucket, or not whole`),
  })
}
