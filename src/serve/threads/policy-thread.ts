import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { ThreadChannel } from '../../messaging/thread-channel.ts'
import { KeptPolicies } from '../../policy-store/kept-policies.ts'
import { packPolicies } from '../../policy-store/packed-policies.ts'
import type { PolicyChange } from '../../policy-store/policy-change.ts'
import { PolicyKeeper } from '../../policy-store/policy-keeper.ts'
import { PolicyPoll } from '../../policy-store/policy-poll.ts'
import { reasonOf } from '../../reason-of.ts'
import { isAudited } from '../../settings/access-settings.ts'
import { openMetadata } from '../../storage/thread-stores.ts'
import { UserError } from '../../user-error.ts'
import { createLogger } from '../logger.ts'
import { AnnouncedChanges } from '../policy/announced-changes.ts'
import { openPolicySource } from '../policy/open-policy-source.ts'
import { PolicyAnswers } from '../policy/policy-answers.ts'
import { policyAuditParts, policyAuditRecord, type Author } from '../policy/policy-audit-record.ts'
import { exceptionLimits, judgeSettings } from '../policy/policy-settings.ts'
import { Confirmations } from './confirmations.ts'
import { systemUptime } from './system-uptime.ts'
import { confirmPatience } from './threads.ts'
import type { PolicyMain, PolicySide, PolicyStart } from './thread-protocol.ts'

/** Milliseconds that a start of the server waits for its policies: longer takes only what cannot be read. */
const startPatience = 1000

const ownClocks = { wall: Date.now, monotonic: systemUptime }
const start = workerData as PolicyStart
const { settings } = start
const main = parentPort as MessagePort

const log = createLogger({ format: start.logFormat, level: settings['log-level'] })
const metadata = await openMetadata(start.storage, { cacheBytes: 0 })
const announced = new AnnouncedChanges()
const authors = new WeakMap<PolicyChange, NonNullable<Author>>()
let keeper: PolicyKeeper | undefined
let answers: PolicyAnswers | undefined
// Where other processes may serve the registry.
const registry =
  metadata.policy.kind === 'shared'
    ? { database: metadata.policy, poll: new PolicyPoll({ database: metadata.policy, clocks: ownClocks }) }
    : undefined
const poll = registry?.poll
let closeSource: (() => Promise<void>) | undefined
// Longer than main waits for the workers.
const confirmations = new Confirmations(2 * confirmPatience)
const local: PolicySide = {
  async start() {
    const opened = await openKeeper()
    keeper = opened.keeper
    answers = opened.answers
    keeper.start()
    void poll?.start()
    await keeper.reaches(() => true, startPatience)
  },
  status: () => running(keeper).status,
  ask: (question) => running(answers).answer(question),
  announce: (changes) => announced.add(changes),
  setSettings: (changed) => log.setLevel(changed['log-level']),
  stop: () => void stop(),
}
const channel = new ThreadChannel<PolicyMain>(main, local)

async function openKeeper(): Promise<{ readonly keeper: PolicyKeeper; readonly answers: PolicyAnswers }> {
  // By then the clock of the database is known.
  await poll?.look()
  const deps = { env: process.env, cwd: process.cwd(), log, registry }
  const { source, writer, report, close } = await openPolicySource(settings, deps)
  closeSource = close
  const clocks = poll?.clocks ?? ownClocks
  const judge = judgeSettings(settings)
  const exceptions = exceptionLimits(settings)
  const keeper = new PolicyKeeper({
    source,
    kept: openKept(join(settings.data, 'policies')),
    judge,
    exceptions,
    clocks,
    generation: start.generation,
    publish: async (snapshot) => {
      // The writer first: from then on no change is committed that was judged by older policies.
      const { policy } = metadata
      if (policy.kind === 'own')
        await confirmations.of('the thread that writes', () => policy.setGeneration(snapshot.generation))
      await confirmations.of('the main thread', () =>
        channel.call('publish', packPolicies(snapshot, systemUptime())),
      )
    },
    async unconfirmed() {
      const { missing } = confirmations
      return missing.includes('the main thread')
        ? missing
        : [...missing, ...(await channel.call('unconfirmed'))]
    },
    registry: registry && {
      ...registry,
      auditRecords: (changes) =>
        isAudited(settings) ? changes.map((change) => policyAuditParts(change, recordParts(change))) : [],
    },
    record: async (changes, generation) => {
      if (!isAudited(settings)) return
      const auditRecords = changes.map((change) =>
        policyAuditRecord(change, { generation, ...recordParts(change) }),
      )
      await metadata.outbox.record(auditRecords, Date.now())
    },
    ...(report !== undefined && { report }),
    log,
  })
  const limits = { ...exceptions, ownHosts: judge.ownHosts }
  return { keeper, answers: new PolicyAnswers({ keeper, writer, limits, now: Date.now }) }
}

function recordParts(change: PolicyChange): Parameters<typeof policyAuditParts>[1] {
  return { newId: randomUUID, now: Date.now(), author: authorOf(change) }
}

function authorOf(change: PolicyChange): Author {
  if (!settings['policy-cluster']) return undefined
  const author = authors.get(change) ?? announced.take(change) ?? 'unannounced'
  // A record that could not be written is written again.
  authors.set(change, author)
  return author
}

/** Throws UserError POLICY_STATE_UNUSABLE. */
function openKept(folder: string): KeptPolicies {
  try {
    const kept = new KeptPolicies(folder)
    kept.readClock()
    return kept
  } catch (error) {
    throw new UserError('POLICY_STATE_UNUSABLE', `${folder} cannot be used: ${reasonOf(error)}`, {
      hint: 'It says which exceptions have ended. Give this user the right to write there, or restore clock.json.',
      cause: error,
    })
  }
}

function running<Part>(part: Part | undefined): Part {
  if (part !== undefined) return part
  throw new Error('the policy thread has not started')
}

async function stop(): Promise<void> {
  await poll?.close()
  await keeper?.close()
  await closeSource?.()
  await metadata.close()
  main.close()
}
