import { z } from 'zod'
import { parseDuration, parseSize, printDuration, printSize } from './quantities.ts'

/** How one setting is written on the command line, described and printed. */
export interface SettingInfo {
  readonly help: string
  /** Shown after the flag: `--data <folder>`. Undefined: a switch without a value. */
  readonly value: string | undefined
  readonly list?: boolean
  readonly print?: (value: never) => string
}

const size = z.union([z.number().int().nonnegative(), z.string()]).transform((value, context) => {
  const bytes = typeof value === 'number' ? value : parseSize(value)
  if (bytes !== undefined) return bytes
  context.addIssue({ code: 'custom', message: 'is no size; write for example 32KiB, 256MiB or 1GiB' })
  return z.NEVER
})

const duration = z.string().transform((value, context) => {
  const milliseconds = parseDuration(value)
  if (milliseconds !== undefined) return milliseconds
  context.addIssue({ code: 'custom', message: 'is no duration; write for example 30s, 10m, 24h or 7d' })
  return z.NEVER
})

const flag = z.union([z.boolean(), z.string()]).transform((value, context) => {
  if (typeof value === 'boolean') return value
  if (/^(on|true|yes|1)$/i.test(value)) return true
  if (/^(off|false|no|0)$/i.test(value)) return false
  context.addIssue({ code: 'custom', message: 'is neither on nor off' })
  return z.NEVER
})

const address = z.string().transform((text, context) => {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (match !== null && port <= 65535) return { host: match[1] ?? (match[2] || '0.0.0.0'), port }
  context.addIssue({
    code: 'custom',
    message: 'is no address; write HOST:PORT, for example 127.0.0.1:8000 or [::1]:8000',
  })
  return z.NEVER
})

const list = z.union([
  z.array(z.string()),
  z.string().transform((text) =>
    text
      .split(',')
      .map((each) => each.trim())
      .filter((each) => each !== ''),
  ),
])

const text = z.string().min(1)

const retention = z.array(
  z
    .strictObject({ repositories: text, keep: z.literal(true).optional(), after: duration.optional() })
    .refine(
      (rule) => (rule.keep === undefined) !== (rule.after === undefined),
      'needs either "keep: true" or "after: 7d"',
    ),
)

const number = z.union([z.number(), z.string()]).transform((value, context) => {
  if (typeof value === 'number') return value
  if (/^\d+$/.test(value)) return Number(value)
  context.addIssue({ code: 'custom', message: 'is no whole number' })
  return z.NEVER
})

/** Every setting of `trow serve`, by its one name: flag, TROW_… variable and key of trow.yaml. */
export const settingsSchema = z.strictObject({
  listen: address,
  data: text,
  workers: number.pipe(z.number().int().min(1, 'must be at least 1').max(64, 'must be at most 64')),
  'plain-http': flag,
  'tls-cert': text.optional(),
  'tls-key': text.optional(),
  'tls-auto': flag,
  'tls-san': list,
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
  untagged: retention,
})

export type Settings = z.infer<typeof settingsSchema>
export type SettingName = keyof Settings

const printAddress = ({ host, port }: { host: string; port: number }): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

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
  'tls-san': { value: 'names', list: true, help: 'names and addresses for the certificate of --tls-auto' },
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
  'allow-missing': { value: undefined, help: 'take manifests whose blobs or children are not here' },
  untagged: { value: undefined, help: 'only in trow.yaml: how long untagged manifests stay' },
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
    'tls-san': [],
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
    untagged: [],
  }
}
