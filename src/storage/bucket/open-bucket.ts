import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Reserve } from '../../blobs/reserve.ts'
import { auditStart, markerName, notesFolder } from '../../blobs/s3/object-names.ts'
import { sourceName, type CredentialSource } from '../../blobs/s3/credentials/credentials.ts'
import { findCredentials } from '../../blobs/s3/credentials/find-source.ts'
import { S3Client } from '../../blobs/s3/s3-client.ts'
import { S3Objects } from '../../blobs/s3/s3-objects.ts'
import type { S3Location } from '../../blobs/s3/s3-location.ts'
import { UserError } from '../../user-error.ts'
import type { ContentOwner, OpenedContent } from '../content-engine.ts'
import type { StorageSettings } from '../storage-engine.ts'
import { openBucketStore } from './bucket-store.ts'
import { BucketContent, bucketTicket } from './bucket-content.ts'
import { checkBucket, lostMarker, markBucket, otherRegistry } from './bucket-check.ts'
import { bucketName, noCredentials } from './bucket-faults.ts'
import { readKeptLocation, writeKeptLocation, type KeptLocation } from './kept-location.ts'

/** The bucket of a registry, checked. The caller closes it. */
export interface OpenedBucket extends OpenedContent {
  /** Removes everything that this registry has in the bucket, with its marker. */
  clear(): Promise<void>
}

type PlaceSettings = Pick<StorageSettings, 'folder' | 's3' | 'env'>

/** `s3://bucket/prefix` of the bucket that `openBucket` would open. */
export function namedBucket({ folder, s3 }: Omit<PlaceSettings, 'env'>): string | undefined {
  const location = s3 ?? readKeptLocation(folder)?.location
  return location && bucketName(location)
}

/**
 * Opens the bucket that the settings name, else the one that the data folder remembers; undefined: the blobs are in the
 * folder. `owner`: the registry to which it must belong; undefined: to that of the folder. Writes nothing that
 * stays. Throws UserError S3_NO_CREDENTIALS, and as `bucketFor` and `checkBucket`.
 */
export async function openBucket(
  settings: PlaceSettings,
  owner?: ContentOwner,
): Promise<OpenedBucket | undefined> {
  const { folder, env } = settings
  const chosen = bucketFor(settings)
  if (chosen === undefined) return undefined
  const { kept, location } = chosen
  const credentials = findCredentials(env, env['HOME'] ?? '/', location.region)
  const objects = new S3Objects(new S3Client(location, credentials))
  try {
    await requireCredentials(objects.client, credentials)
    const marker = await checkBucket(objects)
    const { id, isMarked } = owner ?? ownerOf(kept)
    if (marker !== undefined && marker !== id) throw otherRegistry(objects)
    if (marker === undefined && isMarked) throw lostMarker(objects)
  } catch (error) {
    await objects.client.close()
    throw error
  }
  return {
    place: 'bucket',
    name: bucketName(location),
    serve: (settings, options) => new BucketContent(settings, { location, credentials }, options),
    openStore: (settings) =>
      Promise.resolve(
        openBucketStore(bucketTicket(settings, { location, credentials }, Reserve.of(settings.reserve))),
      ),
    close: () => objects.client.close(),
    async clear() {
      for (const start of ['blobs/', 'parts/', auditStart, notesFolder, markerName]) {
        for await (const { name } of objects.list(start)) await objects.remove(name)
      }
    },
    async claim(of) {
      // Read again: another process may have claimed the folder before it was locked.
      const now = readKeptLocation(folder)
      const { id = randomUUID(), isMarked } = of ?? ownerOf(now)
      if (of === undefined && isMarked && id !== kept?.registry) throw otherRegistry(objects)
      if (!isMarked) {
        await writeKeptLocation(folder, { registry: id, isClaimed: false, location })
        await markBucket(objects, id)
      }
      const next = { registry: id, isClaimed: true, location }
      if (JSON.stringify(now) !== JSON.stringify(next)) await writeKeptLocation(folder, next)
    },
  }
}

function ownerOf(kept: KeptLocation | undefined): {
  readonly id: string | undefined
  readonly isMarked: boolean
} {
  return { id: kept?.registry, isMarked: kept?.isClaimed === true }
}

/** The bucket, without a question to it. Throws UserError CONTENT_IN_FOLDER, S3_OTHER_BUCKET, S3_FILE_DAMAGED. */
export function bucketFor({
  folder,
  s3,
}: Omit<PlaceSettings, 'env'>):
  { readonly kept: KeptLocation | undefined; readonly location: S3Location } | undefined {
  const kept = readKeptLocation(folder)
  const location = s3 ?? kept?.location
  if (location === undefined) return undefined
  if (kept === undefined && hasContent(folder)) throw contentInFolder(folder)
  if (kept !== undefined && bucketName(kept.location) !== bucketName(location))
    throw otherBucket(kept.location, location)
  return { kept, location }
}

/** Throws UserError S3_NO_CREDENTIALS. */
async function requireCredentials(client: S3Client, source: CredentialSource): Promise<void> {
  try {
    await client.credentials.current()
  } catch (error) {
    throw noCredentials(sourceName(source), error)
  }
}

/** Whether blobs or uploads are files of the folder. */
function hasContent(folder: string): boolean {
  const blobs = join(folder, 'blobs')
  const folders = existsSync(blobs) ? readdirSync(blobs).map((name) => join(blobs, name)) : []
  return [...folders, join(folder, 'uploads')].some(
    (path) => existsSync(path) && readdirSync(path).length > 0,
  )
}

function contentInFolder(folder: string): UserError {
  return new UserError('CONTENT_IN_FOLDER', `the blobs of this registry are files in ${folder}`, {
    hint: 'Start without --s3; or move it: trow backup, then trow restore with --s3 into a new folder.',
  })
}

function otherBucket(kept: S3Location, given: S3Location): UserError {
  return new UserError(
    'S3_OTHER_BUCKET',
    `the blobs of this registry are in ${bucketName(kept)}, not in ${bucketName(given)}`,
    {
      hint: 'Start with that bucket; or move it: trow backup, then trow restore with --s3 into a new folder.',
    },
  )
}
