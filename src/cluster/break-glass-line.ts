import { admissionNames, webhookEntries } from './admission-layout.ts'

/**
 * One line for a shell that opens webhook and floor until a time (RFC 3339), while trow is down too, and once more where it was
 * opened before. The ConfigMap tells trow, which then leaves open what is open; the other two commands open what trow cannot open
 * while it is down.
 */
export function breakGlassLine(namespace: string, until: string): string {
  const { breakGlass, webhooks } = admissionNames
  const patch = { webhooks: [{ name: webhookEntries.pods.name, failurePolicy: 'Ignore' }] }
  return [
    `kubectl -n ${namespace} create configmap ${breakGlass} --from-literal=until=${until} --from-literal=reason=WHY --dry-run=client -o yaml | kubectl apply --server-side --force-conflicts -f -`,
    `kubectl patch validatingwebhookconfiguration ${webhooks} -p '${JSON.stringify(patch)}'`,
    'kubectl delete validatingadmissionpolicybinding trow-floor --ignore-not-found',
  ].join(' && ')
}
