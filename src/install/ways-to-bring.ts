/** The hint for nodes that cannot pull trow's own image. */
export const waysToBring = [
  "Bring trow's image to the nodes: trow image load (kind, minikube, k3d, k3s, Docker Desktop),",
  'trow image save FILE and ctr -n k8s.io images import --label io.cri-containerd.pinned=pinned FILE on each node,',
  'or trow image push REFERENCE to a registry they reach and trow install --image REFERENCE.',
].join(' ')

/** The hint for a controller that may not create pods. */
export function whoRefuses(namespace: string | undefined): string {
  return `kubectl -n ${namespace} get limitrange,resourcequota -o yaml shows what refuses pods there.`
}
