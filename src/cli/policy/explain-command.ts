import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import type { AuditEvent } from '../../audit/event-schema.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { askAudit } from '../audit/ask-audit.ts'
import { addAuditPlace, type AuditOptions } from '../audit/audit-options.ts'
import type { CommandContext } from '../command-context.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printObject } from '../result/print-result.ts'
import type { Terminal } from '../streams.ts'
import { explainText } from './explain-text.ts'

export function explainCommand({ terminal }: CommandContext): Command {
  const command = new Command('explain')
    .description('open a decision by the id in its message: who, what, which rule, and what would allow it')
    .argument('<id>', 'as the refusal says: details: trow policy explain ID')
    .addOption(outputOption(...objectOutputs))
    .addHelpText(
      'after',
      `
It reads the audit log, as "trow audit" does: of a server on this machine (--data), of a registry (--registry), or of
the registry in the cluster, for which it needs ClusterRole trow-auditor.

Examples:
  trow policy explain 3f0e2c1a-… --data /var/lib/trow
  trow policy explain 3f0e2c1a-… --registry registry.example.com -o json`,
    )
  return addAuditPlace(command).action(async (id: string, options: AuditOptions) => {
    const event = await findDecision(id, options, terminal)
    const output = options['output'] as Output
    if (output === 'text') terminal.stdout.write(explainText(event))
    else await printObject(event, output, terminal)
  })
}

const idPattern = /^[\w-]{1,128}$/
/** A refusal is on disk before it is answered, and in the log a moment later. */
const looks = 5
const pause = 300

/** Throws UserError DECISION_UNKNOWN, and those of `askAudit`. */
async function findDecision(id: string, options: AuditOptions, terminal: Terminal): Promise<AuditEvent> {
  if (!idPattern.test(id)) {
    throw new UserError('OPTION_INVALID', `"${id.slice(0, 200)}" is no id of a decision`, {
      hint: 'Take it from the message: details: trow policy explain ID.',
      exitCode: exitCode.usage,
    })
  }
  for (let look = 1; ; look++) {
    const request = { kind: 'query', query: { id }, limit: 1 } as const
    for await (const event of askAudit(options, terminal, request))
      // An older server does not know the filter.
      if (event.id === id || event.data['requestId'] === id) return event
    if (look === looks) break
    await sleep(pause)
  }
  throw new UserError('DECISION_UNKNOWN', `the audit log has no decision ${id}`, {
    hint: 'Is it the log of the registry that answered? Its retention may have taken it.',
  })
}
