import { counted } from '../../counted.ts'
import { imageHosts, type InstallSettings } from '../../install/install-settings.ts'

/** Returns the next commands for the user, ready to copy. */
export function nextSteps(
  settings: InstallSettings,
  { context, nodes, flags }: { readonly context: string; readonly nodes: number; readonly flags: string },
): string {
  const [host] = imageHosts(settings)
  const kubectl = flags === '' ? 'kubectl' : `kubectl${flags}`
  const trow = (command: string): string =>
    `trow ${command}${flags}${settings.namespace === 'trow' ? '' : ` -n ${settings.namespace}`}`
  return [
    `trow is ready in context ${context}${nodes === 0 ? '' : `; ${counted(nodes, 'node')} ${nodes === 1 ? 'has' : 'have'} pulled from it`}.`,
    '',
    'Next:',
    `  ${trow('push IMAGE default/app:1')}`,
    `  ${kubectl} run app --image ${host}/default/app:1`,
    `  ${trow('status')}`,
    '',
  ].join('\n')
}

/** Returns the flags that select the same cluster again. */
export function clusterFlags({ kubeconfig, context }: { kubeconfig?: string; context?: string }): string {
  return [
    kubeconfig === undefined ? '' : ` --kubeconfig ${kubeconfig}`,
    context === undefined ? '' : ` --context ${context}`,
  ].join('')
}
