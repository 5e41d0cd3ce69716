import { passed, warned, type PreflightCategory } from '../check.ts'
import { named } from '../../cluster/grouped-faults.ts'
import { isSuitable, nodeFacts, type NodeFacts } from '../../cluster/node-facts.ts'
import type { PreflightContext } from './preflight-context.ts'

/**
 * Checks what is known without a pod: the images that kubelets reported last, up to some minutes ago.
 * `tryImage` and the start of the pods find out the rest.
 */
export async function imageChecks({ cluster, image }: PreflightContext): Promise<PreflightCategory> {
  const nodes = (await cluster.list({ apiVersion: 'v1', kind: 'Node' })).map(nodeFacts)
  const missing = nodesWithout(image.reference, nodes).map(({ name }) => name)
  const description = `the nodes list ${image.reference}`
  const check =
    missing.length === 0
      ? passed('image', description)
      : warned('image', description, `${named(missing)} will pull it`, 'It is tried before anything else.')
  return { categoryName: 'image', checks: [check] }
}

/** Returns the Ready nodes that do not list the image. */
export function nodesWithout(reference: string, nodes: readonly NodeFacts[]): NodeFacts[] {
  const spellings = spellingsOf(reference)
  return nodes.filter(
    (node) => node.ready && isSuitable(node) && !node.images.some((name) => spellings.includes(name)),
  )
}

/** A runtime lists full names: `trow:1` appears as `docker.io/library/trow:1`. */
function spellingsOf(reference: string): string[] {
  const [first = '', ...rest] = reference.split('/')
  const hasHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost')
  if (hasHost) return [reference]
  return [reference, `docker.io/${rest.length === 0 ? 'library/' : ''}${reference}`]
}
