import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { AuditLines } from '../../audit/audit-store.ts'
import type { HeadStore } from '../../audit/log-head.ts'
import type { SinkTurn } from '../../audit/sink-turn.ts'
import { LineSink, type AuditSink } from '../../audit/sink.ts'
import type { GarbageStore } from '../../metadata/garbage-store.ts'
import type { Log } from '../../log.ts'
import { reasonOf } from '../../reason-of.ts'
import { UserError } from '../../user-error.ts'
import type { Settings } from '../../settings/settings-schema.ts'

export interface SinkDeps {
  readonly lines: AuditLines
  /** Undefined: no other process writes the log. */
  readonly turn: SinkTurn | undefined
  readonly instance: string
  readonly heads: HeadStore
  readonly log: Log
  readonly stdout: (lines: string) => void
}

/** Returns the sinks that receive audit events besides the log. Throws UserError as `webhookOf` does. */
export async function auditSinks(
  settings: Settings,
  { lines, turn, instance, heads, log, stdout }: SinkDeps,
): Promise<readonly AuditSink[]> {
  const sinks: AuditSink[] = []
  if (settings['audit-stdout']) sinks.push(new LineSink('stdout', stdout))
  const webhook = webhookOf(settings)
  if (webhook !== undefined) {
    const [{ WebhookSink }, { HttpWebhookSender }] = await Promise.all([
      import('../../audit/webhook-sink.ts'),
      import('../../audit/webhook-sender.ts'),
    ])
    const sender = new HttpWebhookSender({ url: webhook.url, ca: undefined })
    const { secret } = webhook
    sinks.push(
      new WebhookSink({
        lines,
        sender,
        heads,
        secret,
        turn,
        instance,
        logger: log,
        now: Date.now,
        newId: randomUUID,
      }),
    )
  }
  return sinks
}

/** Throws UserError AUDIT_WEBHOOK_INVALID for an unusable URL or secret, or one without the other. */
export function webhookOf(settings: Settings): { readonly url: string; readonly secret: string } | undefined {
  const { 'audit-webhook': given, 'audit-webhook-secret': file } = settings
  if (given === undefined && file === undefined) return undefined
  const invalid = (problem: string, cause?: unknown): UserError =>
    new UserError('AUDIT_WEBHOOK_INVALID', `the webhook of the audit cannot be used: ${problem}`, {
      hint: 'Give --audit-webhook an https URL, or file:///PATH of a file that holds one, and --audit-webhook-secret a file with the key that signs what is sent.',
      cause,
    })
  if (given === undefined || file === undefined)
    throw invalid('--audit-webhook and --audit-webhook-secret go together')
  const contentOf = (path: string): string => {
    try {
      const content = readFileSync(path, 'utf8').trim()
      if (content !== '') return content
    } catch (cause) {
      throw invalid(`${path}: ${reasonOf(cause)}`, cause)
    }
    throw invalid(`${path} is empty`)
  }
  const named = URL.parse(given)
  const url = named?.protocol === 'file:' ? contentOf(fileURLToPath(named)) : given
  const target = URL.parse(url)
  const near = target?.protocol === 'http:' && /^(localhost|127\.|\[::1\])/.test(target.hostname)
  if (target === null || (target.protocol !== 'https:' && !near)) throw invalid('its URL is not https')
  return { url, secret: contentOf(file) }
}

/** Milliseconds for which a process that has the turn need not be heard of. */
const turnLife = 60_000

/** The turn to send to the webhook, among the processes of a registry. */
export function webhookTurn(leases: GarbageStore, holder: string): SinkTurn {
  const name = 'audit-webhook'
  return {
    take: () => leases.acquireLease({ name, holder, ttl: turnLife, now: Date.now() }),
    release: () => leases.releaseLease({ name, holder }),
  }
}
