import type { S3Location } from '../storage/storage-engine.ts'
import type { Settings } from '../settings/settings-schema.ts'
import { exitCode, UserError } from '../user-error.ts'

const needing = ['s3-endpoint', 's3-region', 's3-path-style', 's3-encryption'] as const

/**
 * The bucket that the settings name; undefined: none. What they leave open is as AWS's own clients do it: the region of
 * AWS_REGION, the bucket in the host name for AWS and in the path for other servers. Throws UserError CONFIG_INVALID.
 */
export function bucketOf(
  settings: Settings,
  env: Readonly<Record<string, string | undefined>>,
): S3Location | undefined {
  const { s3, 's3-endpoint': given, 's3-path-style': style, 's3-encryption': encryption } = settings
  if (s3 === undefined) {
    const alone = needing.find((name) => settings[name] !== undefined && settings[name] !== 'auto')
    if (alone === undefined) return undefined
    throw new UserError('CONFIG_INVALID', `--${alone} has no effect without --s3`, {
      hint: 'Name the bucket with --s3 s3://BUCKET/PREFIX.',
      exitCode: exitCode.usage,
    })
  }
  const region = settings['s3-region'] ?? (env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || 'us-east-1')
  const endpoint = given ?? `https://s3.${region}.amazonaws.com`
  return {
    ...s3,
    endpoint,
    region,
    pathStyle: style === 'auto' ? !new URL(endpoint).hostname.endsWith('.amazonaws.com') : style === 'on',
    encryption,
  }
}
