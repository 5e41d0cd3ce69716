import { isIP } from 'node:net'
import { z } from 'zod'
import { isRegistryHost } from '../registry-host.ts'
import { parseDuration, parseSize, printDuration } from './quantities.ts'

export const size = z.union([z.number().int().nonnegative(), z.string()]).transform((value, context) => {
  const bytes = typeof value === 'number' ? value : parseSize(value)
  if (bytes !== undefined) return bytes
  context.addIssue({ code: 'custom', message: 'is no size; write for example 32KiB, 256MiB or 1GiB' })
  return z.NEVER
})

export const duration = z.string().transform((value, context) => {
  const milliseconds = parseDuration(value)
  if (milliseconds !== undefined) return milliseconds
  context.addIssue({ code: 'custom', message: 'is no duration; write for example 30s, 10m, 24h or 7d' })
  return z.NEVER
})

export const flag = z.union([z.boolean(), z.string()]).transform((value, context) => {
  if (typeof value === 'boolean') return value
  if (/^(on|true|yes|1)$/i.test(value)) return true
  if (/^(off|false|no|0)$/i.test(value)) return false
  context.addIssue({ code: 'custom', message: 'is neither on nor off' })
  return z.NEVER
})

export const address = z.string().transform((text, context) => {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (match !== null && port <= 65535) return { host: match[1] ?? (match[2] || '0.0.0.0'), port }
  context.addIssue({
    code: 'custom',
    message: 'is no address; write HOST:PORT, for example 127.0.0.1:8000 or [::1]:8000',
  })
  return z.NEVER
})

export const list = z.union([
  z.array(z.string()),
  z.string().transform((text) =>
    text
      .split(',')
      .map((each) => each.trim())
      .filter((each) => each !== ''),
  ),
])

export const hosts = list.transform((given, context) => {
  const bad = given.find((host) => !isRegistryHost(host))
  if (bad === undefined) return given
  context.addIssue({
    code: 'custom',
    message: `holds "${bad}", which is no host of a registry; write HOST or HOST:PORT`,
  })
  return z.NEVER
})

export const text = z.string().min(1)

export const addressRanges = list.transform((ranges, context) => {
  const bad = ranges.find((range) => !isAddressRange(range))
  if (bad === undefined) return ranges
  context.addIssue({
    code: 'custom',
    message: `holds "${bad}", which is no address or range such as 10.0.0.0/8`,
  })
  return z.NEVER
})

export const configMap = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}\/[a-z0-9][a-z0-9.-]{0,252}$/, 'is no ConfigMap; write NAMESPACE/NAME')

export const retention = z.array(
  z
    .strictObject({
      repositories: text.describe('a pattern of repositories; the first entry that matches decides'),
      keep: z.literal(true).optional().describe('untagged manifests stay for ever'),
      after: duration.optional().describe('untagged manifests are deleted after so long: 7d'),
    })
    .refine(
      (rule) => (rule.keep === undefined) !== (rule.after === undefined),
      'needs either "keep: true" or "after: 7d"',
    ),
)

/** Prints in the form that `retention` reads. */
export function printRetention(rules: z.infer<typeof retention>): readonly object[] {
  return rules.map(({ after, ...rule }) =>
    after === undefined ? rule : { ...rule, after: printDuration(after) },
  )
}

export const number = z.union([z.number(), z.string()]).transform((value, context) => {
  if (typeof value === 'number') return value
  if (/^\d+$/.test(value)) return Number(value)
  context.addIssue({ code: 'custom', message: 'is no whole number' })
  return z.NEVER
})

export function isAddressRange(range: string): boolean {
  const [address = '', bits, more] = range.split('/')
  const family = isIP(address)
  return (
    family !== 0 &&
    more === undefined &&
    (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)))
  )
}
