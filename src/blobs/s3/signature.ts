import { createHash, createHmac } from 'node:crypto'
import type { S3Credentials } from './credentials/credentials.ts'

/** What is signed of one request. */
export interface SignedRequest {
  readonly method: string
  readonly host: string
  /** Already encoded. */
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
}

export interface SigningScope {
  readonly credentials: S3Credentials
  readonly region: string
  readonly service: string
  /** Milliseconds since the epoch, by the server's clock. */
  readonly now: number
}

/** The header with the SHA-256 of a body, in hexadecimal. */
export const bodyHash = 'x-amz-content-sha256'
const unsigned = 'UNSIGNED-PAYLOAD'
const algorithm = 'AWS4-HMAC-SHA256'

/**
 * Returns the headers of the request with its signature, AWS Signature Version 4. The body is part of it where the request
 * has its `bodyHash`.
 */
export function signedHeaders(request: SignedRequest, scope: SigningScope): Record<string, string> {
  const date = dateOf(scope.now)
  const { sessionToken } = scope.credentials
  const payload = request.headers[bodyHash] ?? unsigned
  const headers: Record<string, string> = {
    ...request.headers,
    host: request.host,
    [bodyHash]: payload,
    'x-amz-date': date,
    ...(sessionToken !== undefined && { 'x-amz-security-token': sessionToken }),
  }
  const names = Object.keys(headers).sort()
  const signed = names.join(';')
  const lines = names.map((name) => `${name}:${headers[name] ?? ''}\n`).join('')
  const canonical = `${request.method}\n${request.path}\n${queryString(request.query)}\n${lines}\n${signed}\n${payload}`
  const place = placeOf(date, scope)
  headers['authorization'] =
    `${algorithm} Credential=${scope.credentials.accessKeyId}/${place}, SignedHeaders=${signed}, Signature=${signatureOf(canonical, date, place, scope)}`
  return headers
}

/** Returns the query of a URL that anybody may GET for `seconds`. */
export function presignedQuery(
  request: Omit<SignedRequest, 'headers'>,
  scope: SigningScope,
  seconds: number,
): string {
  const date = dateOf(scope.now)
  const place = placeOf(date, scope)
  const { accessKeyId, sessionToken } = scope.credentials
  const query: Record<string, string> = {
    ...request.query,
    'X-Amz-Algorithm': algorithm,
    'X-Amz-Credential': `${accessKeyId}/${place}`,
    'X-Amz-Date': date,
    'X-Amz-Expires': String(seconds),
    'X-Amz-SignedHeaders': 'host',
    ...(sessionToken !== undefined && { 'X-Amz-Security-Token': sessionToken }),
  }
  const text = queryString(query)
  const canonical = `${request.method}\n${request.path}\n${text}\nhost:${request.host}\n\nhost\n${unsigned}`
  return `${text}&X-Amz-Signature=${signatureOf(canonical, date, place, scope)}`
}

/** Sorted and encoded as the signature requires. */
export function queryString(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
}

/** Percent-encodes all but unreserved characters (RFC 3986). */
export function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function signatureOf(canonical: string, date: string, place: string, scope: SigningScope): string {
  const digest = createHash('sha256').update(canonical).digest('hex')
  return hmac(signingKey(date.slice(0, 8), scope), `${algorithm}\n${date}\n${place}\n${digest}`).toString(
    'hex',
  )
}

let last: { readonly name: string; readonly key: Buffer } | undefined

/** The key of a day costs four hashes, so the last one is kept. */
function signingKey(day: string, { credentials, region, service }: SigningScope): Buffer {
  const name = [day, region, service, credentials.secretAccessKey].join('\n')
  if (last?.name === name) return last.key
  const secret = `AWS4${credentials.secretAccessKey}`
  const key = hmac(hmac(hmac(hmac(secret, day), region), service), 'aws4_request')
  last = { name, key }
  return key
}

function placeOf(date: string, { region, service }: SigningScope): string {
  return `${date.slice(0, 8)}/${region}/${service}/aws4_request`
}

/** `20260131T235959Z`. */
function dateOf(now: number): string {
  return new Date(now).toISOString().replaceAll(/[-:]|\.\d{3}/g, '')
}

function hmac(key: string | Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest()
}
