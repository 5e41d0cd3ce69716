import type { SettingName } from './settings-schema.ts'

export interface SettingGroup {
  /** A heading: `Access`. */
  readonly title: string
  readonly names: readonly SettingName[]
}

/** Every setting, in the order in which help and documents show them. */
export const settingGroups: readonly SettingGroup[] = [
  { title: 'Server', names: ['listen', 'data', 'workers', 'plain-http', 'trusted-proxies', 'idle-timeout'] },
  { title: 'Database', names: ['database', 'database-password-file', 'read-staleness', 'stale-reads'] },
  { title: 'TLS', names: ['tls-cert', 'tls-key', 'tls-auto', 'tls-ca', 'tls-san'] },
  {
    title: 'Access',
    names: [
      'auth',
      'htpasswd',
      'access',
      'oidc',
      'kubernetes',
      'kubeconfig',
      'client-ca',
      'api-server-tokens',
      'node-agents',
      'token-hosts',
    ],
  },
  {
    title: 'Policy',
    names: [
      'policy-dir',
      'policy-cluster',
      'policy-database',
      'policy-own-hosts',
      'policy-unjudged',
      'policy-longest-exception',
      'policy-require-ticket',
    ],
  },
  {
    title: 'Audit log',
    names: [
      'audit',
      'audit-folder',
      'audit-stdout',
      'audit-webhook',
      'audit-webhook-secret',
      'audit-on-failure',
      'audit-readers',
      'audit-heads',
      'audit-keep-changes',
      'audit-keep-pulls',
      'audit-size-denials',
      'audit-size-pulls',
    ],
  },
  {
    title: 'Content',
    names: ['manifest-limit', 'inline-limit', 'reserve', 'allow-missing', 'allow-sparse-index'],
  },
  {
    title: 'Bucket',
    names: ['s3', 's3-endpoint', 's3-region', 's3-path-style', 's3-encryption', 's3-redirect', 'cache-size'],
  },
  {
    title: 'Garbage',
    names: ['gc-interval', 'gc-grace', 'delete-delay', 'upload-expiry', 'untagged', 'fsck-rate'],
  },
  { title: 'Logs and metrics', names: ['metrics-listen', 'access-log', 'log-format', 'log-level'] },
]
