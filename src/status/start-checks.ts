import type { Check } from '../cluster/check.ts'
import type { KubeObject } from '../cluster/cluster-objects.ts'
import { secretText } from '../cluster/config-data.ts'
import { names } from '../cluster/layout.ts'
import { hidden, type Seen } from './look.ts'

type SeenObject = Seen<KubeObject | undefined>

/**
 * Checks what a pod needs at its start but not while it runs: if it is lost, pulls fail after the next drain,
 * not now. `authority` is the CA's Secret, `configuration` the trow.yaml, `account` and `agentAccount` are
 * the ServiceAccounts of the registry and of the agents.
 */
export function startChecks(parts: {
  readonly authority: SeenObject
  readonly configuration: SeenObject
  readonly account: SeenObject
  readonly agentAccount: SeenObject
}): Check[] {
  const { authority, configuration, account, agentAccount } = parts
  const isWhole =
    authority === hidden ||
    (secretText(authority, 'ca.crt') !== undefined && secretText(authority, 'ca.key') !== undefined)
  const missing = [
    ...(isWhole
      ? []
      : [
          authority === undefined
            ? `Secret ${names.authority} is missing`
            : `Secret ${names.authority} has no ca.crt and ca.key`,
        ]),
    ...lack(configuration, `ConfigMap ${names.configuration} is missing`),
    ...lack(account, `ServiceAccount ${names.serviceAccount} is missing`),
    ...lack(agentAccount, `ServiceAccount ${names.agent} of the agents is missing`),
  ]
  const description = 'what pods need at their next start is there'
  if (missing.length === 0) return [{ description, result: 'success' }]
  const more = isWhole ? '' : ' A new CA is made where the old one is lost; both are trusted.'
  return [
    {
      description,
      result: 'error',
      error: `${missing.join('; ')}: what runs goes on, and a pod that is started now does not`,
      hint: `Run trow install again.${more}`,
    },
  ]
}

function lack(found: SeenObject, words: string): string[] {
  return found === undefined ? [words] : []
}
