import type { S3Credentials } from '../../../src/blobs/s3/credentials/credentials.ts'
import { reasonOf } from '../../../src/reason-of.ts'

/** The S3 server that tests use: one that they start, or one that is there. */
export interface S3Choice {
  readonly server: 'versitygw' | 'minio' | ExternalServer
  readonly keys: Pick<S3Credentials, 'accessKeyId' | 'secretAccessKey'>
  readonly region: string
}

export interface ExternalServer {
  /** `https://host[:port]`, without a path. */
  readonly endpoint: string
}

const own = {
  keys: { accessKeyId: 'test', secretAccessKey: 'testtest' },
  region: 'us-east-1',
}

/** What `TROW_TEST_S3` names: `versitygw`, `minio`, or the URL of a server. Throws an error of one line. */
export function s3Choice(env: NodeJS.ProcessEnv): S3Choice {
  const named = env['TROW_TEST_S3'] ?? 'versitygw'
  if (named === 'versitygw' || named === 'minio') return { server: named, ...own }
  const endpoint = endpointOf(named)
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env
  if (!accessKeyId || !secretAccessKey)
    throw new Error(
      `TROW_TEST_S3=${named} needs its keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, which may make buckets`,
    )
  const region = env['AWS_REGION'] ?? own.region
  return { server: { endpoint }, keys: { accessKeyId, secretAccessKey }, region }
}

/** Returns in one line why the server that `TROW_TEST_S3` names cannot be used; undefined: nothing is known against it. */
export async function s3Problem(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  try {
    const { server } = s3Choice(env)
    if (typeof server === 'object') await fetch(server.endpoint, { signal: AbortSignal.timeout(10_000) })
    return undefined
  } catch (error) {
    const { message, cause } = error as Error
    if (message.startsWith('TROW_TEST_S3')) return message
    return `TROW_TEST_S3=${env['TROW_TEST_S3']} does not answer: ${reasonOf(cause ?? error)}`
  }
}

function endpointOf(named: string): string {
  const url = URL.parse(named)
  const isEndpoint =
    url !== null &&
    ['http:', 'https:'].includes(url.protocol) &&
    `${url.username}${url.password}${url.search}${url.hash}` === '' &&
    url.pathname === '/'
  if (!isEndpoint)
    throw new Error(
      `TROW_TEST_S3=${named} names no S3 server: say versitygw, minio, or http://HOST:PORT or https://HOST:PORT of one`,
    )
  return url.origin
}
