import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { S3Client, S3Request, S3Response } from './s3-client.ts'
import { encryptionHeaders } from './s3-location.ts'
import { headerOf, isMissing, S3Fault } from './s3-fault.ts'
import { bodyHash } from './signature.ts'
import { escapeXml, xmlElements, xmlText } from './xml.ts'

export interface ListedObject {
  /** Without the prefix of the registry. */
  readonly name: string
  readonly size: number
  /** Milliseconds since the epoch. */
  readonly modifiedAt: number
}

export interface UnfinishedUpload {
  readonly name: string
  readonly uploadId: string
  readonly startedAt: number
}

export interface FinishedPart {
  readonly number: number
  readonly etag: string
  /** Base64; undefined of a part that was copied. */
  readonly crc32: string | undefined
}

const crc32Header = 'x-amz-checksum-crc32'

/** The operations of S3 that a registry needs, on objects named without the registry's prefix. */
export class S3Objects {
  readonly client: S3Client
  /** Whether the server has stored bytes and did not say that it has compared their CRC32. */
  #ignoresCrc32 = false

  constructor(client: S3Client) {
    this.client = client
  }

  /** Stores an object. The server compares the bytes with their checksum before it answers. */
  async put(name: string, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    const request = { method: 'PUT', key: this.#key(name), headers: this.#encryption(), body } as const
    await this.#store(request, checksum(body), signal)
  }

  /** Size of the object in bytes; undefined if there is none. */
  async size(name: string): Promise<number | undefined> {
    try {
      return sizeOf(await this.client.send({ method: 'HEAD', key: this.#key(name) }))
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  /** The whole of a small object; undefined if there is none. */
  async text(name: string): Promise<string | undefined> {
    try {
      return (await this.client.send({ method: 'GET', key: this.#key(name) })).text
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  /** The caller reads the body or destroys it. `etag`: rejects with status 412 if it is another object now. */
  get(
    name: string,
    {
      start,
      end,
      etag,
    }: {
      readonly start?: number | undefined
      readonly end?: number | undefined
      readonly etag?: string | undefined
    },
    signal?: AbortSignal,
  ): ReturnType<S3Client['open']> {
    const headers = {
      ...(start !== undefined && { range: `bytes=${start}-${end ?? ''}` }),
      ...(etag !== undefined && { 'if-match': etag }),
    }
    return this.client.open({ method: 'GET', key: this.#key(name), headers }, signal)
  }

  /** It is no error if there is none. */
  async remove(name: string): Promise<void> {
    try {
      await this.client.send({ method: 'DELETE', key: this.#key(name) })
    } catch (error) {
      if (!isMissing(error)) throw error
    }
  }

  /** Lists the objects whose name begins with `start`. */
  async *list(start: string): AsyncGenerator<ListedObject> {
    for (let token: string | undefined; ;) {
      const { text } = await this.client.send({
        method: 'GET',
        query: {
          'list-type': '2',
          prefix: this.#key(start),
          ...(token !== undefined && { 'continuation-token': token }),
        },
      })
      for (const item of xmlElements(text, 'Contents')) {
        const name = this.#name(xmlText(item, 'Key'))
        const modifiedAt = Date.parse(xmlText(item, 'LastModified') ?? '')
        if (name !== undefined) yield { name, size: Number(xmlText(item, 'Size')), modifiedAt }
      }
      if (xmlText(text, 'IsTruncated') !== 'true') return
      token = xmlText(text, 'NextContinuationToken')
      if (token === undefined)
        throw new Error('S3 listed a part of the bucket and did not say where the rest begins')
    }
  }

  /**
   * `sums`: of every part that was sent. MinIO has none of parts that it copies, and completes an upload that was begun
   * with checksums only where each part has one.
   */
  async begin(name: string, sums: 'CRC32' | 'none'): Promise<string> {
    const { text } = await this.client.send({
      method: 'POST',
      key: this.#key(name),
      query: { uploads: '' },
      headers: { ...(sums !== 'none' && { 'x-amz-checksum-algorithm': sums }), ...this.#encryption() },
    })
    const uploadId = xmlText(text, 'UploadId')
    if (uploadId === undefined) throw new Error('S3 began an upload and did not say its id')
    return uploadId
  }

  async putPart(
    { name, uploadId }: Pick<UnfinishedUpload, 'name' | 'uploadId'>,
    number: number,
    body: Uint8Array,
  ): Promise<FinishedPart> {
    const sum = checksum(body)
    const query = { partNumber: String(number), uploadId }
    const { headers } = await this.#store({ method: 'PUT', key: this.#key(name), query, body }, sum)
    return { number, etag: headerOf(headers, 'etag') ?? '', crc32: sum }
  }

  /** Copies bytes of another object into a part, inside S3. The upload was begun without checksums. */
  async copyPart(
    { name, uploadId }: Pick<UnfinishedUpload, 'name' | 'uploadId'>,
    number: number,
    from: { readonly name: string; readonly start: number; readonly end: number },
  ): Promise<FinishedPart> {
    const { text } = await this.client.send({
      method: 'PUT',
      key: this.#key(name),
      query: { partNumber: String(number), uploadId },
      headers: {
        'x-amz-copy-source': `/${this.client.location.bucket}/${this.#key(from.name)}`,
        'x-amz-copy-source-range': `bytes=${from.start}-${from.end}`,
      },
    })
    return { number, etag: etagOf(text), crc32: undefined }
  }

  /**
   * Makes the object of its parts. S3 may answer 200 and then an error in the body, and may not know an upload any more
   * whose completion has succeeded without an answer: then the size of the object decides.
   */
  async complete(
    { name, uploadId }: Pick<UnfinishedUpload, 'name' | 'uploadId'>,
    parts: readonly FinishedPart[],
    size: number,
  ): Promise<void> {
    const body = Buffer.from(
      `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.map(partElement).join('')}</CompleteMultipartUpload>`,
    )
    await this.client.retries.run(async (attempt) => {
      try {
        const request = { method: 'POST', key: this.#key(name), query: { uploadId }, body } as const
        const { status, headers, text } = await this.client.sendOnce(request)
        // What failed after the first byte of the answer: it is repeated as any failure of the server.
        if (/<Error[\s>]/.test(text)) throw new S3Fault(status === 200 ? 500 : status, headers, text)
      } catch (error) {
        const isUnknown = error instanceof S3Fault && error.code === 'NoSuchUpload'
        if (!isUnknown || attempt === 0 || (await this.size(name)) !== size) throw error
      }
    })
  }

  async abort({ name, uploadId }: Pick<UnfinishedUpload, 'name' | 'uploadId'>): Promise<void> {
    try {
      await this.client.send({ method: 'DELETE', key: this.#key(name), query: { uploadId } })
    } catch (error) {
      if (!isMissing(error)) throw error
    }
  }

  async *unfinished(): AsyncGenerator<UnfinishedUpload> {
    for (let marker: { key: string; id: string } | undefined; ;) {
      const { text } = await this.client.send({
        method: 'GET',
        query: {
          uploads: '',
          prefix: this.#key(''),
          ...(marker !== undefined && { 'key-marker': marker.key, 'upload-id-marker': marker.id }),
        },
      })
      for (const item of xmlElements(text, 'Upload')) {
        const name = this.#name(xmlText(item, 'Key'))
        const uploadId = xmlText(item, 'UploadId')
        const startedAt = Date.parse(xmlText(item, 'Initiated') ?? '')
        if (name !== undefined && uploadId !== undefined) yield { name, uploadId, startedAt }
      }
      const key = xmlText(text, 'NextKeyMarker')
      if (xmlText(text, 'IsTruncated') !== 'true' || key === undefined) return
      marker = { key, id: xmlText(text, 'NextUploadIdMarker') ?? '' }
    }
  }

  presign(name: string, seconds: number): Promise<string> {
    return this.client.presign(this.#key(name), seconds)
  }

  /**
   * Sends bytes that the server compares with a checksum before it answers. One that has compared the CRC32 returns it.
   * Others, such as Ceph 16, compare a SHA-256 that is part of the signature, which costs more: the first bytes are sent
   * once more with it, and all that follow.
   */
  async #store(
    { headers: given, body, ...request }: S3Request & { readonly body: Uint8Array },
    sum: string,
    signal?: AbortSignal,
  ): Promise<S3Response> {
    const headers = { ...given, [crc32Header]: sum }
    if (!this.#ignoresCrc32) {
      const response = await this.client.send({ ...request, headers, body }, signal)
      if (headerOf(response.headers, crc32Header) === sum) return response
      this.#ignoresCrc32 = true
    }
    const hash = createHash('sha256').update(body).digest('hex')
    return this.client.send({ ...request, headers: { ...headers, [bodyHash]: hash }, body }, signal)
  }

  #key(name: string): string {
    return this.client.location.prefix + name
  }

  #name(key: string | undefined): string | undefined {
    const { prefix } = this.client.location
    return key?.startsWith(prefix) === true ? key.slice(prefix.length) : undefined
  }

  #encryption(): Readonly<Record<string, string>> {
    return encryptionHeaders(this.client.location.encryption)
  }
}

/** Bytes of the body that follows. Throws if the server does not say. */
export function sizeOf({ headers }: Pick<S3Response, 'headers'>): number {
  const size = Number(headerOf(headers, 'content-length') ?? Number.NaN)
  if (Number.isNaN(size)) throw new Error('S3 does not say how long the object is')
  return size
}

function checksum(body: Uint8Array): string {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(body))
  return sum.toString('base64')
}

function etagOf(text: string): string {
  const etag = xmlText(text, 'ETag')
  // As CompleteMultipartUpload, the copy may fail after its 200.
  if (etag === undefined) throw new S3Fault(500, {}, text)
  return etag
}

function partElement({ number, etag, crc32: sum }: FinishedPart): string {
  const check = sum === undefined ? '' : `<ChecksumCRC32>${sum}</ChecksumCRC32>`
  return `<Part><PartNumber>${number}</PartNumber><ETag>${escapeXml(etag)}</ETag>${check}</Part>`
}
