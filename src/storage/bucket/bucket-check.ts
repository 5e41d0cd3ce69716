import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { markerName } from '../../blobs/s3/object-names.ts'
import { S3Fault } from '../../blobs/s3/s3-fault.ts'
import type { S3Objects } from '../../blobs/s3/s3-objects.ts'
import { ForeignJsonError, parseForeignJson } from '../../foreign-json.ts'
import { UserError } from '../../user-error.ts'
import { bucketFault, bucketName } from './bucket-faults.ts'

const markerSchema = z.object({ registry: z.string().min(1) })

/**
 * Checks every right that a registry needs of its bucket, and returns the id of the registry to which it belongs; undefined:
 * to none. Writes nothing but a probe, which it deletes. Throws UserError S3_…, as `bucketFault`.
 */
export async function checkBucket(objects: S3Objects): Promise<string | undefined> {
  const { location } = objects.client
  const ask = async <T>(action: string, permission: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw bucketFault(error, location, { action, permission })
    }
  }
  await ask('list objects', 's3:ListBucket', async () => {
    for await (const _first of objects.list(markerName)) break
  })
  const text = await ask('read objects', 's3:GetObject', () => objects.text(markerName))
  const registry = text === undefined ? undefined : readMarker(text, location)
  await ask('list unfinished uploads', 's3:ListBucketMultipartUploads', async () => {
    for await (const _first of objects.unfinished()) break
  })
  const probe = `probe-${randomUUID()}`
  await ask('write objects', 's3:PutObject', () =>
    objects.put(probe, Buffer.from('trow looks whether it may write here\n')),
  )
  try {
    await objects.remove(probe)
  } catch (error) {
    if (!(error instanceof S3Fault) || error.status !== 403) throw bucketFault(error, location, deleting)
    throw new UserError(
      'S3_NO_DELETE',
      `these credentials may not delete objects in ${bucketName(location)}: the probe ${location.prefix}${probe} stays there`,
      {
        hint: 'Allow s3:DeleteObject, and delete the probe; docs/object-storage.md has the whole policy of the bucket.',
        cause: error,
      },
    )
  }
  return registry
}

const deleting = { action: 'delete objects', permission: 's3:DeleteObject' }

/**
 * Makes the bucket that of a registry; several processes of one may do so at once. Throws UserError
 * S3_OTHER_REGISTRY if another has just done so.
 */
export async function markBucket(objects: S3Objects, registry: string): Promise<void> {
  const { location } = objects.client
  const owner = async (): Promise<string | undefined> => {
    const text = await objects.text(markerName)
    return text === undefined ? undefined : readMarker(text, location)
  }
  try {
    if ((await owner()) === undefined)
      await objects.put(markerName, Buffer.from(`${JSON.stringify({ registry })}\n`))
    if ((await owner()) !== registry) throw otherRegistry(objects)
  } catch (error) {
    throw bucketFault(error, location, { action: 'write objects', permission: 's3:PutObject' })
  }
}

export function otherRegistry({ client: { location } }: S3Objects): UserError {
  return new UserError('S3_OTHER_REGISTRY', `${bucketName(location)} belongs to another registry`, {
    hint: `A bucket, or a prefix of one, belongs to one registry: name another with --s3. Several processes are one registry where they share a --database too. To bring a registry back from a backup, restore it into another bucket or prefix.`,
  })
}

export function lostMarker({ client: { location } }: S3Objects): UserError {
  return new UserError(
    'S3_MARKER_LOST',
    `${bucketName(location)} has no marker of this registry (${location.prefix}${markerName}): it is another bucket, or was emptied`,
    { hint: 'Name the bucket that has the blobs of this registry, or restore a backup.' },
  )
}

function readMarker(text: string, location: S3Objects['client']['location']): string {
  try {
    return parseForeignJson(text, markerSchema).registry
  } catch (cause) {
    if (!(cause instanceof ForeignJsonError)) throw cause
    throw new UserError(
      'S3_MARKER_DAMAGED',
      `${location.prefix}${markerName} in ${bucketName(location)} is not from trow`,
      {
        hint: 'Name another bucket or prefix with --s3.',
        cause,
      },
    )
  }
}
