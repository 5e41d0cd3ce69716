import { z } from 'zod'

/** A bucket of S3 and the prefix in it: empty, or ending with `/`. */
export const bucket = z.string().transform((text, context) => {
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([A-Za-z0-9._/-]*))?$/.exec(text)
  const prefix = (match?.[2] ?? '').replace(/\/+$/, '')
  if (match !== null && !/^\/|\/\/|(^|\/)\.{1,2}(\/|$)/.test(prefix) && prefix.length <= 512)
    return { bucket: match[1] as string, prefix: prefix === '' ? '' : `${prefix}/` }
  context.addIssue({
    code: 'custom',
    message: 'is no bucket; write s3://BUCKET or s3://BUCKET/PREFIX, and give secrets as AWS_… variables',
  })
  return z.NEVER
})

export function printBucket({ bucket: name, prefix }: z.infer<typeof bucket>): string {
  return prefix === '' ? `s3://${name}` : `s3://${name}/${prefix.slice(0, -1)}`
}

/** The URL of a server, without a path. Credentials in it are refused without being repeated. */
export const endpoint = z.string().transform((text, context) => {
  const url = URL.parse(text)
  const isPlain =
    url !== null && url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (isPlain && url.pathname === '/' && /^https?:$/.test(url.protocol)) return url.origin
  context.addIssue({
    code: 'custom',
    message: 'is no server; write https://HOST or https://HOST:PORT, without a path, a bucket or credentials',
  })
  return z.NEVER
})

export const region = z.string().regex(/^[a-z0-9-]{1,64}$/i, 'is no region; write for example eu-central-1')

export const encryption = z.string().transform((text, context) => {
  const [, kind, keyId] = /^(AES256|aws:kms)(?::([\w:/.-]+))?$/.exec(text) ?? []
  if (kind === 'AES256' && keyId === undefined) return { kind } as const
  if (kind === 'aws:kms') return { kind, keyId } as const
  context.addIssue({ code: 'custom', message: 'must be AES256, aws:kms or aws:kms:KEY' })
  return z.NEVER
})

export function printEncryption(value: z.infer<typeof encryption>): string {
  return value.kind === 'AES256' || value.keyId === undefined ? value.kind : `${value.kind}:${value.keyId}`
}
