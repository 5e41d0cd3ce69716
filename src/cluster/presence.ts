/** Whether the objects behind an identity exist. Rejects with ClusterUnavailable if the API server does not answer. */
export interface ClusterPresence {
  /** Returns the uid of a Node, or `undefined` if there is none. */
  nodeUid(name: string): Promise<string | undefined>
  /** Returns the uid of a ServiceAccount, or `undefined` if there is none. */
  accountUid(namespace: string, name: string): Promise<string | undefined>
}
