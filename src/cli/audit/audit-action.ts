import { nearestName } from '../../settings/nearest-name.ts'
import { exitCode, UserError } from '../../user-error.ts'

/** Every action that an event may have. */
export const auditActions: readonly string[] = [
  'pull',
  'push',
  'mount',
  'delete',
  'list',
  'login',
  'auth',
  'audit',
  'facts',
  'records',
  'node-certificate',
  'robot-create',
  'robot-revoke',
  'policy-create',
  'policy-change',
  'policy-delete',
  'policy-reject',
  'policy-review',
  'settings-change',
  'settings-reject',
  'users-change',
  'certificate-change',
  'admission',
  'admission-gap',
  'webhook-change',
  'break-glass',
  'several',
]

/** An action that no event has would find nothing, as if nothing had happened. */
export function parseAction(text: string): string {
  if (auditActions.includes(text)) return text
  const nearest = nearestName(text, auditActions)
  const guess = nearest === undefined ? '' : `Did you mean "${nearest}"? `
  throw new UserError('OPTION_INVALID', `--action: there is no action "${text}"`, {
    hint: `${guess}There are ${auditActions.join(', ')}.`,
    exitCode: exitCode.usage,
  })
}
