import type { Scope } from './scope.ts'

interface ScopeNode<Value> {
  value: Value | undefined
  children: Map<string, ScopeNode<Value>> | undefined
}

/** A name in canonical form. */
interface Name {
  readonly host: string
  readonly path: string
}

/**
 * Values by scope. The cost of a look-up depends on the length of the name, not on the number of scopes.
 * Precedence: an exact host, then the longer domain, then the shorter one, then `*`; within these, the longer
 * path.
 */
export class ScopeIndex<Value> {
  readonly #hosts = new Map<string, ScopeNode<Value>>()

  get(scope: Scope): Value | undefined {
    return this.#node(scope).value
  }

  set(scope: Scope, value: Value): void {
    this.#node(scope).value = value
  }

  /** The value of the most specific scope that covers the name. */
  find({ host, path }: Name): Value | undefined {
    for (let key: string | undefined = host; key !== undefined; key = wider(key)) {
      const root = this.#hosts.get(key)
      const found = root && deepest(root, path)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** The values of all scopes that cover the name. */
  covering({ host, path }: Name): readonly Value[] {
    const values: Value[] = []
    for (let key: string | undefined = host; key !== undefined; key = wider(key)) {
      const root = this.#hosts.get(key)
      if (root !== undefined) values.push(...along(root, path))
    }
    return values
  }

  #node({ host, segments }: Scope): ScopeNode<Value> {
    let node = child(this.#hosts, host)
    for (const segment of segments) node = child((node.children ??= new Map()), segment)
    return node
  }
}

function child<Value>(nodes: Map<string, ScopeNode<Value>>, key: string): ScopeNode<Value> {
  const known = nodes.get(key)
  if (known !== undefined) return known
  const node: ScopeNode<Value> = { value: undefined, children: undefined }
  nodes.set(key, node)
  return node
}

/** Returns the values along the path, from the root down. */
function along<Value>(root: ScopeNode<Value>, path: string): Value[] {
  const found: Value[] = root.value === undefined ? [] : [root.value]
  let node: ScopeNode<Value> = root
  for (const segment of path.split('/')) {
    const next = node.children?.get(segment)
    if (next === undefined) break
    node = next
    if (node.value !== undefined) found.push(node.value)
  }
  return found
}

/** The last of the values along the path. Written for itself, because each push asks for it. */
function deepest<Value>(root: ScopeNode<Value>, path: string): Value | undefined {
  let { value, children } = root
  if (children === undefined) return value
  for (const segment of path.split('/')) {
    const next: ScopeNode<Value> | undefined = children?.get(segment)
    if (next === undefined) break
    value = next.value ?? value
    children = next.children
  }
  return value
}

/** After `a.b.example:5000` comes `*.b.example:5000`, then `*.example:5000`, then `*`. Undefined: no wider scope. */
function wider(host: string): string | undefined {
  if (host === '*') return undefined
  const dot = host.indexOf('.', host.startsWith('*.') ? 2 : 0)
  return dot < 0 ? '*' : `*${host.slice(dot)}`
}
