import { ports } from '../cluster/layout.ts'
import type { NodeSettings } from '../cluster/node-settings.ts'
import { hostPort } from '../host-port.ts'

/** The addresses at which this node's runtime looks for the registry, in order: `HOST:PORT`. */
export function nodeEndpoints(
  settings: NodeSettings,
  {
    loopbackPort,
    address,
  }: { readonly loopbackPort: number | undefined; readonly address: string | undefined },
): readonly string[] {
  const { clusterIps, nodePort } = settings
  return [
    ...(loopbackPort === undefined ? [] : [hostPort('127.0.0.1', loopbackPort)]),
    ...clusterIps.map((each) => hostPort(each, ports.service)),
    ...(nodePort === undefined || address === undefined ? [] : [hostPort(address, nodePort)]),
  ]
}

/** Both spellings of each host: containerd looks up the host exactly as it was typed. */
export function spellings(hosts: readonly string[]): readonly string[] {
  return [...new Set(hosts.flatMap((host) => (/:\d+$/.test(host) ? [host] : [host, `${host}:443`])))]
}
