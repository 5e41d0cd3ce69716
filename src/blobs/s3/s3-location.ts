/** Where the bytes of a registry are: one prefix of one bucket. Plain data without secrets. */
export interface S3Location {
  /** `https://host[:port]`, without a path. */
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  /** Begins every key: empty, or ends with `/`. */
  readonly prefix: string
  /** True: `https://endpoint/bucket/key`; false: `https://bucket.endpoint/key`. */
  readonly pathStyle: boolean
  readonly encryption: S3Encryption | undefined
}

/** Server-side encryption that is asked for with every object; undefined: what the bucket does by default. */
export type S3Encryption =
  | { readonly kind: 'AES256' }
  /** `keyId` undefined: the key of the account for S3. */
  | { readonly kind: 'aws:kms'; readonly keyId: string | undefined }

/** The headers that ask for the encryption. */
export function encryptionHeaders(encryption: S3Encryption | undefined): Readonly<Record<string, string>> {
  if (encryption === undefined) return {}
  return {
    'x-amz-server-side-encryption': encryption.kind,
    ...(encryption.kind === 'aws:kms' &&
      encryption.keyId !== undefined && {
        'x-amz-server-side-encryption-aws-kms-key-id': encryption.keyId,
      }),
  }
}

/** The URL's origin and the path in front of the keys. */
export function addressOf({ endpoint, bucket, pathStyle }: S3Location): {
  readonly origin: string
  readonly host: string
  readonly path: string
} {
  const url = new URL(endpoint)
  if (pathStyle) return { origin: url.origin, host: url.host, path: `/${bucket}` }
  const host = `${bucket}.${url.host}`
  return { origin: `${url.protocol}//${host}`, host, path: '' }
}
