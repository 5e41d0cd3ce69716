import { z } from 'zod'
import { oidcSchema, printOidc } from './oidc-schema.ts'
import { rulesSchema } from './rules-schema.ts'
import { printDuration, printSize } from './quantities.ts'
import {
  address,
  addressRanges,
  configMap,
  duration,
  flag,
  list,
  number,
  printRetention,
  retention,
  size,
  text,
} from './setting-values.ts'

/** How one setting is written on the command line, described and printed. */
export interface SettingInfo {
  readonly help: string
  /** Shown after the flag: `--data <folder>`. Undefined: a switch without a value. */
  readonly value: string | undefined
  readonly list?: boolean
  /** As the file has it. */
  readonly print?: (value: never) => unknown
  /** Why its value is never shown. */
  readonly secret?: string
}

/** Every setting of `trow serve`, by its one name: flag, TROW_… variable and key of trow.yaml. */
export const settingsSchema = z.strictObject({
  listen: address,
  data: text,
  workers: number.pipe(z.number().int().min(1, 'must be at least 1').max(64, 'must be at most 64')),
  'plain-http': flag,
  'tls-cert': text.optional(),
  'tls-key': text.optional(),
  'tls-auto': flag,
  'tls-ca': text.optional(),
  'tls-san': list,
  auth: z.enum(['auto', 'on', 'off']),
  htpasswd: text.optional(),
  kubernetes: flag,
  kubeconfig: text.optional(),
  'client-ca': text.optional(),
  'api-server-tokens': flag,
  'node-agents': list,
  'token-hosts': list,
  'trusted-proxies': addressRanges,
  audit: z.enum(['auto', 'on', 'off']),
  'audit-folder': text.optional(),
  'audit-stdout': flag,
  'audit-webhook': text.optional(),
  'audit-webhook-secret': text.optional(),
  'audit-on-failure': z.enum(['refuse', 'allow']),
  'audit-readers': list,
  'audit-heads': configMap.optional(),
  'audit-keep-changes': duration,
  'audit-keep-pulls': duration,
  'audit-size-denials': size,
  'audit-size-pulls': size,
  'metrics-listen': address.optional(),
  'access-log': flag,
  'log-format': z.enum(['auto', 'json', 'text']),
  'log-level': z.enum(['debug', 'info', 'warn', 'error']),
  'inline-limit': size.pipe(z.number().max(1024 * 1024, 'must be at most 1MiB')),
  'manifest-limit': size.pipe(
    z
      .number()
      .min(1024, 'must be at least 1KiB')
      .max(64 * 1024 * 1024, 'must be at most 64MiB'),
  ),
  reserve: size,
  'idle-timeout': duration,
  'gc-interval': duration,
  'gc-grace': duration,
  'upload-expiry': duration,
  'fsck-rate': size,
  'allow-missing': flag,
  'allow-sparse-index': flag,
  untagged: retention,
  access: rulesSchema.optional(),
  oidc: oidcSchema,
})

export type Settings = z.infer<typeof settingsSchema>
export type SettingName = keyof Settings

const printAddress = ({ host, port }: { host: string; port: number }): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

/** Lists of objects, which no flag and no variable can hold. */
export const fileOnly: ReadonlySet<SettingName> = new Set(['untagged', 'access', 'oidc'])

export const settingInfo: { readonly [Name in SettingName]: SettingInfo } = {
  listen: {
    value: 'host:port',
    help: 'where clients reach the registry; port 0 lets the system choose',
    print: printAddress,
  },
  data: { value: 'folder', help: 'where everything is kept' },
  workers: { value: 'n', help: 'threads that answer requests' },
  'plain-http': { value: undefined, help: 'allow HTTP without TLS beyond loopback' },
  'tls-cert': { value: 'file', help: 'certificate chain, PEM; read again when it changes' },
  'tls-key': { value: 'file', help: 'private key, PEM' },
  'tls-auto': { value: undefined, help: 'make and renew an own CA and certificate' },
  'tls-ca': {
    value: 'folder',
    help: 'the CA of --tls-auto and of nodes, ca.crt and ca.key; read again when it changes',
  },
  'tls-san': { value: 'names', list: true, help: 'names and addresses for the certificate of --tls-auto' },
  auth: {
    value: 'auto|on|off',
    help: 'ask who everybody is; auto: as soon as there is a way to know or a rule',
  },
  htpasswd: { value: 'file', help: 'users with bcrypt passwords; read again when it changes' },
  kubernetes: {
    value: undefined,
    help: 'ask the cluster: service accounts, its certificates, RBAC on repositories.registry.trow.io',
  },
  kubeconfig: { value: 'file', help: 'how to reach the cluster; else as a pod does' },
  'client-ca': {
    value: 'file',
    help: 'whose client certificates are taken, PEM; with --kubernetes it is the one of the cluster',
  },
  'api-server-tokens': {
    value: undefined,
    help: 'take tokens that are meant for the API server itself (aws eks get-token)',
  },
  'node-agents': {
    value: 'names',
    list: true,
    help: 'service accounts NAMESPACE:NAME that may have certificates for their node',
  },
  'token-hosts': { value: 'names', list: true, help: 'names under which clients reach this registry' },
  'trusted-proxies': {
    value: 'ranges',
    list: true,
    help: 'addresses whose X-Forwarded-For and -Proto are believed',
  },
  audit: { value: 'auto|on|off', help: 'keep an audit log; auto: when auth is on' },
  'audit-folder': { value: 'folder', help: 'where the audit log is kept, if not in <data>/audit' },
  'audit-stdout': { value: undefined, help: 'write audit events to stdout too' },
  'audit-webhook': {
    value: 'url',
    help: 'send audit events there too; file:///PATH is a file that holds the URL',
    secret: 'such a URL may hold a token; file:///PATH keeps it in a file',
  },
  'audit-webhook-secret': { value: 'file', help: 'the key that signs what is sent to the webhook' },
  'audit-on-failure': {
    value: 'refuse|allow',
    help: 'what happens to changes that cannot be recorded',
  },
  'audit-readers': {
    value: 'names',
    list: true,
    help: 'who may read the audit log through the registry, as rules name them: alice, group:NAME',
  },
  'audit-heads': {
    value: 'namespace/name',
    help: 'a ConfigMap of the cluster in which the heads of the audit log are kept too',
  },
  'audit-keep-changes': {
    value: 'duration',
    help: 'how long changes and denials are kept',
    print: printDuration,
  },
  'audit-keep-pulls': { value: 'duration', help: 'how long allowed pulls are kept', print: printDuration },
  'audit-size-denials': {
    value: 'size',
    help: 'most that the log of denials may take; its oldest go',
    print: printSize,
  },
  'audit-size-pulls': {
    value: 'size',
    help: 'most that the log of allowed pulls may take',
    print: printSize,
  },
  'metrics-listen': { value: 'host:port', help: 'serve Prometheus metrics there', print: printAddress },
  'access-log': { value: 'on|off', help: 'one line a request on stdout' },
  'log-format': { value: 'auto|json|text', help: 'auto: text on a terminal, else JSON' },
  'log-level': { value: 'level', help: 'debug, info, warn or error' },
  'inline-limit': { value: 'size', help: 'blobs up to this size are kept in the database', print: printSize },
  'manifest-limit': { value: 'size', help: 'largest manifest', print: printSize },
  reserve: { value: 'size', help: 'pushes are refused while less than this is free', print: printSize },
  'idle-timeout': {
    value: 'duration',
    help: 'end a request that moves no byte for so long',
    print: printDuration,
  },
  'gc-interval': { value: 'duration', help: 'how often garbage is collected', print: printDuration },
  'gc-grace': { value: 'duration', help: 'how long unreferenced blobs stay', print: printDuration },
  'upload-expiry': {
    value: 'duration',
    help: 'how long an idle upload can be resumed',
    print: printDuration,
  },
  'fsck-rate': {
    value: 'size',
    help: 'bytes a second that an fsck of a served folder reads',
    print: printSize,
  },
  'allow-missing': { value: undefined, help: 'take images whose config or layers are not here' },
  'allow-sparse-index': { value: undefined, help: 'take indexes whose children are not here' },
  untagged: {
    value: undefined,
    help: 'only in trow.yaml: how long untagged manifests stay',
    print: printRetention,
  },
  access: { value: undefined, help: 'only in trow.yaml: who may do what' },
  oidc: { value: undefined, help: 'only in trow.yaml: whose tokens are accepted', print: printOidc },
}

/** What a person would write, so that one parser reads defaults too. `workers` depends on the machine. */
export function defaultSettings(cores: number): Readonly<Record<SettingName, unknown>> {
  return {
    listen: '127.0.0.1:8000',
    data: './trow-data',
    workers: Math.min(cores, 8),
    'plain-http': false,
    'tls-cert': undefined,
    'tls-key': undefined,
    'tls-auto': false,
    'tls-ca': undefined,
    'tls-san': [],
    auth: 'auto',
    htpasswd: undefined,
    kubernetes: false,
    kubeconfig: undefined,
    'client-ca': undefined,
    'api-server-tokens': false,
    'node-agents': ['trow-node:trow-node'],
    'token-hosts': [],
    'trusted-proxies': [],
    audit: 'auto',
    'audit-folder': undefined,
    'audit-stdout': false,
    'audit-webhook': undefined,
    'audit-webhook-secret': undefined,
    'audit-on-failure': 'refuse',
    'audit-readers': [],
    'audit-heads': undefined,
    'audit-keep-changes': '400d',
    'audit-keep-pulls': '30d',
    'audit-size-denials': '1GiB',
    'audit-size-pulls': '4GiB',
    'metrics-listen': undefined,
    'access-log': 'on',
    'log-format': 'auto',
    'log-level': 'info',
    'inline-limit': '32KiB',
    'manifest-limit': '4MiB',
    reserve: '256MiB',
    'idle-timeout': '60s',
    'gc-interval': '1h',
    'gc-grace': '24h',
    'upload-expiry': '24h',
    'fsck-rate': '100MiB',
    'allow-missing': false,
    'allow-sparse-index': false,
    untagged: [],
    access: undefined,
    oidc: [],
  }
}
