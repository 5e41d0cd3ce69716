import {
  defaultInstallSettings,
  type InstallFacts,
  type InstallSettings,
} from '../../src/install/install-settings.ts'

const usualFacts: InstallFacts = {
  version: '0.1.0',
  image: 'registry.example.com/trow:0.1.0',
  clusterIps: ['10.96.12.7'],
  nodeAddresses: [],
  nodePort: undefined,
  bindsNodes: true,
}

export interface OptionSet {
  readonly settings: InstallSettings
  readonly facts: InstallFacts
}

function optionSet(settings: Partial<InstallSettings>, facts: Partial<InstallFacts> = {}): OptionSet {
  return { settings: { ...defaultInstallSettings, ...settings }, facts: { ...usualFacts, ...facts } }
}

/** The option sets of the golden files, one file per set. */
export const optionSets: Readonly<Record<string, OptionSet>> = {
  usual: optionSet({}),
  'own-domain': optionSet({
    host: 'registry.example.com',
    ingressClass: 'nginx',
    trustedProxies: ['10.244.0.0/16'],
    tlsSecret: 'registry-tls',
    clients: ['dev', 'ci'],
    storage: { kind: 'claim', size: '500Gi', className: 'fast' },
  }),
  'node-port-local': optionSet(
    {
      namespace: 'images',
      serviceType: 'NodePort',
      nodePort: 31443,
      storage: { kind: 'local', size: '50Gi', path: '/srv/trow', node: 'n1' },
      restartRuntime: true,
      editHosts: true,
      startupTaint: true,
    },
    { nodeAddresses: ['172.30.0.2', '172.30.0.3'] },
  ),
  'dual-stack': optionSet(
    { serviceType: 'LoadBalancer', host: 'registry.example.com', anonymousPull: true },
    { clusterIps: ['10.96.12.7', 'fd00:10:96::c07'] },
  ),
  'nodes-alone': optionSet({
    trustNodes: false,
    storage: { kind: 'ephemeral' },
    configuration: {
      'gc-grace': '12h',
      access: [{ who: 'group:release', repositories: 'release/**', actions: ['pull', 'push'] }],
    },
  }),
}
