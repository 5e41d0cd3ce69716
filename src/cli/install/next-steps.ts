import { imageHosts, type InstallSettings } from '../../install/install-settings.ts'

/** What to do now, as commands that can be copied. */
export function nextSteps(
  settings: InstallSettings,
  { context, nodes, flags }: { readonly context: string; readonly nodes: number; readonly flags: string },
): string {
  const [host] = imageHosts(settings)
  const kubectl = flags === '' ? 'kubectl' : `kubectl${flags}`
  const trow = (command: string): string =>
    `trow ${command}${flags}${settings.namespace === 'trow' ? '' : ` -n ${settings.namespace}`}`
  return [
    `trow is ready in context ${context}${nodes === 0 ? '' : `; ${nodes === 1 ? '1 node has' : `${nodes} nodes have`} pulled from it`}.`,
    '',
    'Next:',
    `  ${trow('push IMAGE default/app:1')}`,
    `  ${kubectl} run app --image ${host}/default/app:1`,
    `  ${trow('status')}`,
    '',
  ].join('\n')
}

/** The flags that name the same cluster again. */
export function clusterFlags({ kubeconfig, context }: { kubeconfig?: string; context?: string }): string {
  return [
    kubeconfig === undefined ? '' : ` --kubeconfig ${kubeconfig}`,
    context === undefined ? '' : ` --context ${context}`,
  ].join('')
}
