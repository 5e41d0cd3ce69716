/** Why a text in the form of a host is not a registry's host. */
export type HostProblemCode = 'REF_HOST' | 'REF_PORT' | 'REF_IPV4'

export type HostResult =
  | {
      readonly kind: 'host'
      readonly host: string
      /** True for another name of the same registry, not just another spelling of its name. */
      readonly alias: boolean
    }
  | { readonly kind: 'problem'; readonly code: HostProblemCode; readonly message: string }

const component = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?'
const grammar = new RegExp(`^(${component}(?:\\.${component})*|\\[[a-fA-F0-9:]+\\])(?::([0-9]{1,5}))?$`)

/** Other host names under which Docker Hub serves the same content. */
const dockerHub: ReadonlySet<string> = new Set([
  'index.docker.io',
  'registry-1.docker.io',
  'registry.hub.docker.com',
])

export const hostLimit = 255

/**
 * Returns the canonical spelling of a registry's host: lower-case letters, the port as a number and omitted
 * if it is 443, one form for an IPv6 address, and `docker.io` for all names of Docker Hub. Undefined for a
 * text that is not in the form of a host. A canonical host contains a dot, a colon or a bracket, or is
 * `localhost`: otherwise it would read as part of a Docker Hub name.
 */
export function canonicalHost(written: string): HostResult | undefined {
  if (written.length > hostLimit) return undefined
  const match = grammar.exec(written)
  if (match === null) return undefined
  const [, name = '', port] = match
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65535))
    return problem('REF_PORT', `the port of "${written}" must be between 1 and 65535`)
  const canonical = name.startsWith('[') ? ipv6(name) : ipv4OrName(name.toLowerCase())
  if (typeof canonical !== 'string') return canonical
  const host = port === undefined || Number(port) === 443 ? canonical : `${canonical}:${Number(port)}`
  if (!/[.:]/.test(host) && host !== 'localhost')
    return problem('REF_HOST', `"${written}" is no registry's host: it needs a dot or a port other than 443`)
  const alias = dockerHub.has(host)
  return { kind: 'host', host: alias ? 'docker.io' : host, alias }
}

/** Whether a canonical host is an IP address. */
export function isAddress(host: string): boolean {
  return host.startsWith('[') || /^[0-9.]+(?::[0-9]+)?$/.test(host)
}

function ipv6(name: string): string | HostResult {
  const url = `http://${name}/`
  return URL.canParse(url)
    ? new URL(url).hostname
    : problem('REF_HOST', `"${name}" is no IPv6 address in brackets`)
}

/** A resolver treats a name whose last label is a number, in any base, as an IPv4 address. */
function ipv4OrName(name: string): string | HostResult {
  const labels = name.split('.')
  if (!/^(?:[0-9]+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '')) return name
  const plain = labels.every((label) => /^(?:0|[1-9][0-9]{0,2})$/.test(label) && Number(label) <= 255)
  if (labels.length === 4 && plain) return name
  return problem('REF_IPV4', `"${name}" is no IPv4 address of four plain decimal numbers`)
}

function problem(code: HostProblemCode, message: string): HostResult {
  return { kind: 'problem', code, message }
}
