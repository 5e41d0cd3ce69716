import { hostPort } from '../host-port.ts'
import { printBucket, printEncryption } from './bucket-values.ts'
import { printOidc } from './oidc-schema.ts'
import { printDuration, printSize } from './quantities.ts'
import { printRetention } from './setting-values.ts'
import type { SettingName } from './settings-schema.ts'

/** How one setting is written on the command line, described and printed. */
export interface SettingInfo {
  readonly help: string
  /** Shown after the flag: `--data <folder>`. `undefined` for a switch without a value. */
  readonly value: string | undefined
  readonly list?: boolean
  /** Converts the value to the form of the file. */
  readonly print?: (value: never) => unknown
  /** Set if the value may contain a secret and is never printed; states why. */
  readonly secret?: string
  /** A wrong value may contain a secret, a right one does not. */
  readonly hiddenWhenWrong?: true
}

const printAddress = ({ host, port }: { host: string; port: number }): string => hostPort(host, port)

/** Lists of objects: no flag and no variable can hold them. */
export const fileOnly: ReadonlySet<SettingName> = new Set(['untagged', 'access', 'oidc'])

export const settingInfo: { readonly [Name in SettingName]: SettingInfo } = {
  listen: {
    value: 'host:port',
    help: 'where clients reach the registry; port 0 lets the system choose',
    print: printAddress,
  },
  data: { value: 'folder', help: 'where everything is kept' },
  database: {
    value: 'url',
    help: 'keep the metadata, not the blobs, in this PostgreSQL: postgres://USER@HOST/DATABASE',
    hiddenWhenWrong: true,
  },
  'database-password-file': {
    value: 'file',
    help: 'the password for --database; else PGPASSFILE is asked; each new connection reads it anew',
  },
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
  'policy-dir': {
    value: 'folder',
    help: 'files that say what may be pushed, pulled and run; read again when they change',
  },
  'policy-cluster': {
    value: undefined,
    help: 'TrowPolicy and TrowException of the cluster say what may be pushed, pulled and run',
  },
  'policy-database': {
    value: undefined,
    help: 'policies are kept in the database of --database, for all processes of the registry',
  },
  'policy-own-hosts': {
    value: 'hosts',
    list: true,
    help: 'names of this registry to policies, beside those of --listen, --tls-san and --token-hosts',
  },
  'policy-unjudged': {
    value: 'allow|deny',
    help: 'what becomes of an image that no policy judges, once there are policies',
  },
  'policy-longest-exception': {
    value: 'duration',
    help: 'how long an exception may last',
    print: printDuration,
  },
  'policy-require-ticket': { value: undefined, help: 'take no exception without a ticket' },
  'metrics-listen': { value: 'host:port', help: 'serve Prometheus metrics there', print: printAddress },
  'access-log': { value: 'on|off', help: 'one line a request on stdout' },
  'log-format': { value: 'auto|json|text', help: 'auto: text on a terminal, else JSON' },
  'log-level': { value: 'debug|info|warn|error', help: 'the least important lines that are logged' },
  'inline-limit': { value: 'size', help: 'blobs up to this size are kept in the database', print: printSize },
  'manifest-limit': { value: 'size', help: 'largest manifest', print: printSize },
  reserve: { value: 'size', help: 'pushes are refused while less than this is free', print: printSize },
  s3: {
    value: 's3://bucket/prefix',
    help: 'keep blobs in a bucket; its credentials are found as AWS clients do, and are no settings',
    print: printBucket,
  },
  's3-endpoint': { value: 'url', help: 'an S3 server that is not that of AWS' },
  's3-region': { value: 'name', help: 'region of the bucket; else that of AWS_REGION, else us-east-1' },
  's3-path-style': {
    value: 'auto|on|off',
    help: 'name the bucket in the path of a URL; auto: not with AWS',
  },
  's3-encryption': {
    value: 'AES256|aws:kms[:key]',
    help: 'encryption that the server is asked for; else what the bucket does by itself',
    print: printEncryption,
  },
  's3-redirect': {
    value: undefined,
    help: 'send clients that pull blobs to the bucket, by a URL that is valid for 20 minutes',
  },
  'cache-size': {
    value: 'size',
    help: 'most that a cache of blobs of a bucket may take in <data>/cache; 0: none',
    print: printSize,
  },
  'delete-delay': {
    value: 'duration',
    help: 'how long the bytes of deleted blobs stay; else 1h in a bucket, and no time in a folder',
    print: printDuration,
  },
  'read-staleness': {
    value: 'duration',
    help: 'how far reads may be behind what other processes changed; else 0s: not at all',
    print: printDuration,
  },
  'stale-reads': {
    value: 'duration',
    help: 'how long pulls go on from caches while the database is away, else 10m; 0s: not at all',
    print: printDuration,
  },
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

export const settingNames = Object.keys(settingInfo) as readonly SettingName[]
