import type { NodeReport } from '../../src/cluster/node-report.ts'

/** A Node as the API has it. */
export function nodeObject(name: string, ready = true): object {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    status: {
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      nodeInfo: { containerRuntimeVersion: 'containerd://2.3.7' },
    },
  }
}

/** A Node that no agent is meant for. */
export function windowsNode(name: string): object {
  const { status, ...node } = nodeObject(name) as { status: { nodeInfo: object } }
  const nodeInfo = { ...status.nodeInfo, operatingSystem: 'windows', architecture: 'amd64' }
  return { ...node, status: { ...status, nodeInfo } }
}

/** The ConfigMap in which the agent of a healthy node reports, with what a test changes of it. */
export function reportObject(node: string, time: number, changes: Partial<NodeReport> = {}): object {
  const at = new Date(time).toISOString()
  const report: NodeReport = {
    version: 1,
    node,
    time: at,
    agent: '0.1.0',
    phase: 'ready',
    class: 'direct',
    distribution: 'kubeadm',
    runtime: { name: 'containerd', version: '2.3.7' },
    folder: '/etc/containerd/certs.d',
    generation: { written: 1, effective: 1 },
    identity: { kind: 'kubelet' },
    proxy: { listening: true, endpoints: ['10.88.1.2:8443'] },
    canary: { time: at, image: 'trow.trow.svc/trow/canary:1', ok: true, milliseconds: 20 },
    problems: [],
    ...changes,
  }
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: `node-${node}`,
      namespace: 'trow-node',
      labels: { 'trow.io/report': 'node', 'app.kubernetes.io/part-of': 'trow' },
    },
    data: { 'report.json': JSON.stringify(report) },
  }
}
