import type { Check } from '../cluster/check.ts'
import { reasonOf } from '../reason-of.ts'
import { leafCheck } from './authority-checks.ts'
import type { RegistryHealth, RegistryProbe } from './registry-probe.ts'

/**
 * Checks the registry's own health, and the certificate that it presents. `bundle` is the PEM that clients
 * trust.
 */
export async function answerChecks(
  probe: RegistryProbe,
  bundle: string,
  now: number,
): Promise<{ readonly registry: readonly Check[]; readonly certificates: readonly Check[] }> {
  try {
    const { chain, untrusted, reads, writes } = await probe.ask(bundle)
    const health = (description: string, answer: RegistryHealth): Check =>
      answer.ok
        ? { description, result: 'success' }
        : { description, result: 'error', error: answer.reason, hint: 'kubectl logs says more.' }
    return {
      registry: [health('it answers reads', reads), health('it takes pushes', writes)],
      certificates: [leafCheck(chain, untrusted, now)],
    }
  } catch (error) {
    return {
      registry: [
        {
          description: 'it answers',
          result: 'unknown',
          error: reasonOf(error),
          hint: 'It was asked through the API server (pods/portforward).',
        },
      ],
      certificates: [],
    }
  }
}
