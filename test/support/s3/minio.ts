import { join } from 'node:path'
import type { S3Choice } from './choice.ts'
import { startS3Process, type S3Process } from './s3-process.ts'

export function startMinio({ keys, region }: S3Choice): Promise<S3Process> {
  return startS3Process('minio', (folder, listen) => ({
    args: [
      'server',
      '--quiet',
      '--certs-dir',
      join(folder, 'certs'),
      '--address',
      listen,
      join(folder, 'data'),
    ],
    env: {
      MINIO_ROOT_USER: keys.accessKeyId,
      MINIO_ROOT_PASSWORD: keys.secretAccessKey,
      MINIO_REGION: region,
      MINIO_BROWSER: 'off',
      // It asks no other host for a newer version.
      MINIO_UPDATE: 'off',
    },
  }))
}
