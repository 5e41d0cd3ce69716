import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { S3Choice } from './choice.ts'
import { startS3Process, type S3Process } from './s3-process.ts'

export function startVersitygw({ keys, region }: S3Choice): Promise<S3Process> {
  return startS3Process('versitygw', (folder, listen) => {
    // Metadata beside the files, for file systems without extended attributes.
    const [buckets, sidecar] = [join(folder, 'buckets'), join(folder, 'sidecar')]
    for (const path of [buckets, sidecar]) mkdirSync(path)
    const access = ['--access', keys.accessKeyId, '--secret', keys.secretAccessKey, '--region', region]
    return { args: [...access, '--port', listen, '--quiet', 'posix', '--sidecar', sidecar, buckets] }
  })
}
