import { admissionNames, floorParts, webhookEntries } from '../cluster/admission-layout.ts'
import { failsClosed, webhookEntriesOf, webhookReference } from '../cluster/webhook-configuration.ts'
import { reasonOf } from '../reason-of.ts'
import { exitCode, UserError } from '../user-error.ts'
import { wantedAdmission, type WantedAdmission } from './admission-objects.ts'
import { AdmissionWatch } from './admission-watch.ts'
import { apply, applyAll, asked } from './apply.ts'
import { nameOf } from './cluster-error.ts'
import { step, type InstallContext } from './install-context.ts'
import type { InstallFacts } from './install-settings.ts'
import { judgedSystemNamespaces, failRefusedHint, failRefusedWords } from './system-namespaces.ts'
import { waitUntil, type WaitOutcome } from './waiting.ts'

/**
 * Brings the admission pods, and, once they are ready, the webhooks that ask them; with `--admission off` takes the webhooks away, and
 * then the pods. Throws UserError FAIL_REFUSED, and as `waitUntil`.
 */
export async function installAdmission(context: InstallContext, facts: InstallFacts): Promise<void> {
  const { cluster, settings, now } = context
  const wanted = wantedAdmission(settings, facts)
  if (wanted === undefined) return removeAdmission(context)
  const isFail = settings.admissionFailurePolicy === 'fail'
  await step(context, 'admission pods', async () => {
    await applyAll(context, wanted.base)
    await apply(context, wanted.pods)
    const pods = new AdmissionWatch(cluster, wanted.pods, { needsAll: isFail, now })
    await waitUntil(context, 'the admission pods are ready', () => pods.look())
    if (pods.doubt !== undefined) context.progress.warn(`one admission pod is not ready: ${pods.doubt}`)
  })
  if (isFail) await step(context, 'what failurePolicy Fail needs', () => checkFail(context, { ...facts }))
  await step(context, 'admission webhooks', () => bringWebhooks(context, facts, wanted))
}

/** Nothing may ask pods that are not there: the webhooks go first. Pods that end have no right to make the floor again. */
async function removeAdmission(context: InstallContext): Promise<void> {
  const { cluster, settings } = context
  const { namespace } = settings
  const pods = { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name: admissionNames.workload }
  const rights = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding' }
  const keepers = [{ ...rights, name: admissionNames.workload }, pods]
  // Twice: an API server may take a moment until the rights are gone.
  for (const reference of [webhookReference, ...keepers, ...floorParts, ...floorParts]) {
    const found = await asked(context, nameOf(reference), () => cluster.get(reference))
    if (found?.metadata.labels?.['app.kubernetes.io/part-of'] === 'trow')
      await asked(context, nameOf(reference), () => cluster.delete(reference))
  }
}

/** Throws UserError FAIL_REFUSED if `Fail` could leave the cluster without pods, or nobody could open it again. */
async function checkFail(context: InstallContext, facts: InstallFacts): Promise<void> {
  const { cluster, settings } = context
  const judged = await asked(context, 'workloads', () => judgedSystemNamespaces(cluster, settings))
  if (judged.length > 0) throw failRefused(failRefusedWords(judged), failRefusedHint(judged, settings))
  const { namespace } = settings
  const glass = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: admissionNames.breakGlass, namespace },
    data: { until: new Date(context.now() + 60_000).toISOString(), reason: 'trow install tries it' },
  }
  const opened = wantedAdmission(settings, { ...facts, failsClosed: false })
  try {
    await cluster.apply(glass, { dryRun: true, force: true })
    if (opened !== undefined) await cluster.apply(opened.webhooks, { dryRun: true, force: true })
  } catch (error) {
    throw failRefused(
      `break-glass does not work: ${reasonOf(error)}`,
      `It needs the right to make ConfigMap ${namespace}/${admissionNames.breakGlass} and to change ${nameOf(webhookReference)}.`,
    )
  }
}

function failRefused(reason: string, hint: string): UserError {
  return new UserError('FAIL_REFUSED', `--admission-failure-policy fail is refused: ${reason}`, {
    hint,
    exitCode: exitCode.problemsFound,
  })
}

async function bringWebhooks(
  context: InstallContext,
  facts: InstallFacts,
  { wishes }: WantedAdmission,
): Promise<void> {
  const { cluster, settings } = context
  await apply(context, wishes)
  const standing = await asked(context, nameOf(webhookReference), () => cluster.get(webhookReference))
  const now = { ...facts, failsClosed: standing !== undefined && failsClosed(standing) }
  const wanted = wantedAdmission(settings, now)
  if (wanted !== undefined) await apply(context, wanted.webhooks)
  await waitUntil(context, 'the admission pods take the webhooks over', () => lookAtWebhooks(context))
}

async function lookAtWebhooks({ cluster, settings }: InstallContext): Promise<WaitOutcome> {
  const object = await cluster.get(webhookReference)
  const entries = object === undefined ? [] : webhookEntriesOf(object)
  const pods = entries.find(({ name }) => name === webhookEntries.pods.name)
  const wish = settings.admissionFailurePolicy === 'fail' ? 'Fail' : 'Ignore'
  if (entries.length === 0 || entries.some(({ caBundle }) => caBundle === undefined))
    return { done: false, reasons: [{ text: 'no admission pod has written its CA into them yet' }] }
  if (pods?.failurePolicy === wish) return { done: true }
  // While break-glass is open nobody may close it again.
  const glass = { apiVersion: 'v1', kind: 'ConfigMap', namespace: settings.namespace }
  if ((await cluster.get({ ...glass, name: admissionNames.breakGlass })) !== undefined) return { done: true }
  const text = `failurePolicy ${wish} is wanted, and ${pods?.failurePolicy ?? 'none'} is in force`
  const hint = `kubectl -n ${settings.namespace} logs deployment/${admissionNames.workload} says what is missing.`
  return { done: false, reasons: [{ text }], hint }
}
