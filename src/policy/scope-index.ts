import type { Scope } from './scope.ts'

interface Node<Value> {
  value: Value | undefined
  children: Map<string, Node<Value>> | undefined
}

/** A name in canonical form. */
interface Name {
  readonly host: string
  readonly path: string
}

/**
 * Values by scope. A look-up costs in proportion to the name, and nothing in proportion to the number of scopes. An exact
 * host outranks the longer domain, that the shorter one, that `*`; within these the longer path.
 */
export class ScopeIndex<Value> {
  readonly #hosts = new Map<string, Node<Value>>()

  get(scope: Scope): Value | undefined {
    return this.#node(scope).value
  }

  set(scope: Scope, value: Value): void {
    this.#node(scope).value = value
  }

  /** The value of the most specific scope that covers the name. */
  find(name: Name): Value | undefined {
    for (const root of this.#roots(name.host)) {
      const found = along(root, name.path).at(-1)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** The values of all scopes that cover the name. */
  covering(name: Name): readonly Value[] {
    return this.#roots(name.host).flatMap((root) => along(root, name.path))
  }

  /** Most specific first. */
  #roots(host: string): Node<Value>[] {
    return [host, ...domainsAbove(host), '*'].flatMap((key) => this.#hosts.get(key) ?? [])
  }

  #node({ host, segments }: Scope): Node<Value> {
    let node = child(this.#hosts, host)
    for (const segment of segments) node = child((node.children ??= new Map()), segment)
    return node
  }
}

function child<Value>(nodes: Map<string, Node<Value>>, key: string): Node<Value> {
  const known = nodes.get(key)
  if (known !== undefined) return known
  const node: Node<Value> = { value: undefined, children: undefined }
  nodes.set(key, node)
  return node
}

/** The values from the root down, as far as there are nodes. */
function along<Value>(root: Node<Value>, path: string): Value[] {
  const found: Value[] = root.value === undefined ? [] : [root.value]
  let node: Node<Value> = root
  for (const segment of path.split('/')) {
    const next = node.children?.get(segment)
    if (next === undefined) break
    node = next
    if (node.value !== undefined) found.push(node.value)
  }
  return found
}

/** `a.b.example:5000`: `*.b.example:5000`, `*.example:5000`. The longest first. */
function domainsAbove(host: string): string[] {
  const domains: string[] = []
  for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1))
    domains.push(`*${host.slice(dot)}`)
  return domains
}
