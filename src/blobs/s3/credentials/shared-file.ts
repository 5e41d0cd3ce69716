import { readFile, stat } from 'node:fs/promises'
import type { S3Credentials } from './credentials.ts'

/** Reads credentials of one profile, and reads them again when the file has changed. */
export class SharedFile {
  readonly #path: string
  readonly #profile: string
  #read: { readonly changedAt: number; readonly credentials: S3Credentials } | undefined

  constructor(path: string, profile: string) {
    this.#path = path
    this.#profile = profile
  }

  /** Rejects if the file cannot be read, or holds no keys for the profile. */
  async load(): Promise<S3Credentials> {
    const { mtimeMs } = await stat(this.#path)
    if (this.#read?.changedAt === mtimeMs) return this.#read.credentials
    const credentials = parseSharedFile(await readFile(this.#path, 'utf8'), this.#profile)
    if (credentials === undefined)
      throw new Error(
        `${this.#path} has no aws_access_key_id and aws_secret_access_key for [${this.#profile}]`,
      )
    this.#read = { changedAt: mtimeMs, credentials }
    return credentials
  }
}

/** Returns the keys of one profile of a file in the form of `~/.aws/credentials`; undefined if it has none. */
export function parseSharedFile(text: string, profile: string): S3Credentials | undefined {
  const values = new Map<string, string>()
  let isInside = false
  for (const line of text.split(/\r?\n/)) {
    const section = /^\s*\[\s*(?:profile\s+)?([^\]]+?)\s*\]/.exec(line)
    if (section !== null) isInside = section[1] === profile
    const pair = /^\s*([a-z_]+)\s*=\s*(.*?)\s*$/i.exec(line)
    if (isInside && pair !== null) values.set((pair[1] as string).toLowerCase(), pair[2] as string)
  }
  const accessKeyId = values.get('aws_access_key_id')
  const secretAccessKey = values.get('aws_secret_access_key')
  if (!accessKeyId || !secretAccessKey) return undefined
  return { accessKeyId, secretAccessKey, sessionToken: values.get('aws_session_token') }
}
