import { randomBytes } from 'node:crypto'
import type { CredentialSource } from '../../src/blobs/s3/credentials/credentials.ts'
import { S3Client } from '../../src/blobs/s3/s3-client.ts'
import type { S3Location } from '../../src/blobs/s3/s3-location.ts'
import { S3Objects } from '../../src/blobs/s3/s3-objects.ts'
import { s3Choice, s3Problem, type ExternalServer } from './s3/choice.ts'
import { startMinio } from './s3/minio.ts'
import type { S3Process } from './s3/s3-process.ts'
import { startVersitygw } from './s3/versitygw.ts'

const choice = s3Choice(process.env)

/** The keys of the S3 server that tests use. */
export const s3Keys = { kind: 'keys', ...choice.keys } as const satisfies CredentialSource

/** As the variables of a process. */
export const s3Env = {
  AWS_ACCESS_KEY_ID: choice.keys.accessKeyId,
  AWS_SECRET_ACCESS_KEY: choice.keys.secretAccessKey,
  AWS_REGION: choice.region,
}

/** For `missing(...)`: the programs that the S3 server of the tests needs. */
export const s3Programs: readonly string[] = typeof choice.server === 'string' ? [choice.server] : []

/** Starts the S3 server that `TROW_TEST_S3` names, versitygw if none; one that is named by its URL must run. */
export async function startS3Server(): Promise<S3Server> {
  switch (choice.server) {
    case 'versitygw':
      return S3Server.at(await startVersitygw(choice))
    case 'minio':
      return S3Server.at(await startMinio(choice))
    default: {
      const problem = await s3Problem(process.env)
      if (problem !== undefined) throw new Error(problem)
      return S3Server.at(choice.server)
    }
  }
}

/** A real S3 server, as one test file uses it. */
export class S3Server {
  readonly endpoint: string
  /** For tests of what MinIO does in a way of its own. */
  readonly isMinio: boolean
  readonly #process: S3Process | undefined
  /** Buckets of a server that others use too have a name that nobody else gives. */
  readonly #run = `trow-test-${randomBytes(4).toString('hex')}-`
  readonly #buckets = new Map<string, S3Client>()

  static async at(server: S3Process | ExternalServer): Promise<S3Server> {
    const { headers, body } = await fetch(server.endpoint)
    await body?.cancel()
    return new S3Server(server, headers.get('server') === 'MinIO')
  }

  private constructor(server: S3Process | ExternalServer, isMinio: boolean) {
    this.endpoint = server.endpoint
    this.isMinio = isMinio
    this.#process = 'stop' in server ? server : undefined
  }

  get port(): number {
    const { port, protocol } = new URL(this.endpoint)
    return Number(port || (protocol === 'https:' ? 443 : 80))
  }

  /** Makes an empty bucket, and returns its name. */
  async bucket(name: string): Promise<string> {
    const bucket = this.#run + name
    const { region } = choice
    const place = `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`
    const body = region === 'us-east-1' ? undefined : { body: Buffer.from(place) }
    const client = new S3Client(this.location(bucket), s3Keys)
    try {
      await client.send({ method: 'PUT', ...body })
    } catch (cause) {
      throw new Error(`no bucket can be made at ${this.endpoint}: ${(cause as Error).message}`, { cause })
    }
    this.#buckets.set(bucket, client)
    return bucket
  }

  location(bucket: string, prefix = ''): S3Location {
    const { region } = choice
    return { endpoint: this.endpoint, region, bucket, prefix, pathStyle: true, encryption: undefined }
  }

  /** What a bucket of this server holds, past the registry that uses it. */
  objects(bucket: string): S3Objects {
    const client = this.#buckets.get(bucket)
    if (client === undefined) throw new Error(`the bucket ${bucket} was not made`)
    return new S3Objects(client)
  }

  /** What follows `start` in the names of the objects that begin with it, in order. */
  async names(bucket: string, start = ''): Promise<string[]> {
    const all = await Array.fromAsync(this.objects(bucket).list(start))
    return all.map(({ name }) => name.slice(start.length)).sort()
  }

  /** Ends the server at once, where tests have started it. */
  kill(): void {
    if (this.#process !== undefined) process.kill(this.#process.pid, 'SIGKILL')
  }

  async stop(): Promise<void> {
    for (const [bucket, client] of this.#buckets) {
      if (this.#process === undefined) await this.#drop(bucket)
      await client.close()
    }
    await this.#process?.stop()
  }

  /** Buckets of a server that goes on running go with all that is in them. */
  async #drop(bucket: string): Promise<void> {
    const objects = this.objects(bucket)
    for await (const upload of objects.unfinished()) await objects.abort(upload)
    for await (const { name } of objects.list('')) await objects.remove(name)
    await objects.client.send({ method: 'DELETE' })
  }
}
