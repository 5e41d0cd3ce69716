import { PassThrough } from 'node:stream'
import { printStatus } from '../../src/cli/status/print-status.ts'
import { runningText } from '../../src/cli/status/running-text.ts'
import { lookOf } from '../../src/cli/table.ts'
import type { RunningFindings } from '../../src/scan/running-findings.ts'
import { printedText } from '../../src/visible-text.ts'
import { configMap, openInstalled, podObject } from '../status/installed-cluster.ts'
import { nodeObject, reportObject } from '../support/node-objects.ts'

/** What `trow status` prints in a terminal of so many columns: of a healthy install, and of one with faults of each kind. */
export async function statusScreens(
  columns: number,
): Promise<Readonly<Record<'status' | 'status-faults', string>>> {
  const { objects, now, look: lookNow } = await openInstalled()
  const look = lookOf(Object.assign(new PassThrough(), { isTTY: true, columns }), {})
  const print = async (): Promise<string> => {
    const status = await lookNow()
    return printedText(
      `${printStatus(status, { look, short: false, context: 'production' })}\n${runningText(running(now), now, look)}`,
    )
  }
  const healthy = await print()
  const file = '/etc/containerd/certs.d/trow.trow.svc/hosts.toml'
  objects.put(
    configMap('trow-install', 'trow', { version: '0.1.0', 'settings.json': '{"admission":true}' }),
    reportObject('n1', now, {
      phase: 'problem',
      problems: [
        { code: 'FILE_NOT_OURS', message: 'it is not ours', hint: 'Move it away.', file, fatal: true },
      ],
    }),
    reportObject('n2', now - 130_000),
    nodeObject('ip-10-0-17-231.eu-central-1.compute.internal'),
    podObject('trow-0', 'trow', 'n1', {
      phase: 'Pending',
      containerStatuses: [
        {
          name: 'trow',
          ready: false,
          restartCount: 0,
          state: { waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "trow:0.1.0"' } },
        },
      ],
    }),
  )
  return { status: healthy, 'status-faults': await print() }
}

function running(now: number): RunningFindings {
  return {
    at: new Date(now - 60_000).toISOString(),
    seconds: 1,
    generation: 12,
    pods: 412,
    images: 96,
    violating: 7,
    unchecked: 1,
    excepted: 2,
    notLookedAt: 0,
    policies: [{ policy: 'production', mode: 'warn', pods: 7, namespaces: 1 }],
    owners: [
      {
        namespace: 'shop-frontend',
        owner: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'checkout-web' },
        isStatic: false,
        pods: 5,
        policies: ['production'],
        reasons: ['NOT_ALLOWED', 'TAG_NOT_PINNED'],
      },
    ],
    namespaces: [],
    findings: [],
    leftOut: { policies: 0, namespaces: 0, findings: 0 },
  }
}
