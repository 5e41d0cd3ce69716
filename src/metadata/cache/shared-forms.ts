import type { DataKey } from '../../blobs/blob-store.ts'
import type { Digest } from '../../oci/digest.ts'
import type { BlobLink, BlobRecord, ManifestRecord } from '../records.ts'
import type { SharedForm } from './coherent-cache.ts'
import type { SharedCache } from './shared-cache.ts'

export function manifestForm(cache: SharedCache): SharedForm<ManifestRecord> {
  return {
    cache,
    kind: 1,
    toShared: ({ digest, mediaType, body }) => ({
      first: undefined,
      second: undefined,
      title: digest,
      text: mediaType,
      bytes: body,
    }),
    fromShared({ title, text, bytes = new Uint8Array() }) {
      return { digest: title as Digest, mediaType: text, size: bytes.byteLength, body: bytes }
    },
  }
}

export function linkForm(cache: SharedCache): SharedForm<BlobLink> {
  return {
    cache,
    kind: 2,
    toShared: ({ size, unreferencedSince }) => ({
      first: size,
      second: unreferencedSince,
      title: '',
      text: '',
      bytes: undefined,
    }),
    fromShared: ({ first = 0, second }, key) => ({
      digest: digestOf(key),
      size: first,
      unreferencedSince: second,
    }),
  }
}

export function blobForm(cache: SharedCache): SharedForm<BlobRecord> {
  return {
    cache,
    kind: 3,
    toShared: ({ size, unreferencedSince, content }) => ({
      first: size,
      second: unreferencedSince,
      title: content.kind === 'stored' ? content.key : '',
      text: '',
      bytes: content.kind === 'inline' ? content.bytes : undefined,
    }),
    fromShared: ({ first = 0, second, title, bytes }, key) => ({
      digest: digestOf(key),
      size: first,
      content: bytes === undefined ? { kind: 'stored', key: title as DataKey } : { kind: 'inline', bytes },
      unreferencedSince: second,
    }),
  }
}

/** `key` comes from linkKey. */
function digestOf(key: string): Digest {
  return key.slice(key.indexOf('@') + 1) as Digest
}
