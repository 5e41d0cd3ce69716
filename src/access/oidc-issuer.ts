import { isIPv4 } from 'node:net'
import { robotPrefix } from './principal.ts'

/** An issuer whose tokens (OpenID Connect Core) are accepted, and under which conditions. */
export interface OidcIssuer {
  /** As in `iss`, exactly. */
  readonly issuer: string
  /** One of these must be in `aud`. */
  readonly audiences: readonly string[]
  /** Default `sub`. */
  readonly usernameClaim?: string
  readonly groupsClaim?: string
  /** Prefix of names and groups; default `oidc:`. */
  readonly prefix?: string
  /** Patterns as in rules, by the name of a claim. A token must match all of them. */
  readonly claims: Readonly<Record<string, string>>
}

export const defaultPrefix = 'oidc:'

/** Issuers that give a token to anybody, with the claims that identify its owner. */
const sharedIssuers: readonly { readonly host: RegExp; readonly owners: readonly string[] }[] = [
  {
    host: /^token\.actions\.githubusercontent\.com$/,
    owners: ['repository', 'repository_id', 'repository_owner', 'repository_owner_id'],
  },
  {
    host: /^gitlab\.com$/,
    owners: ['project_path', 'project_id', 'namespace_path', 'namespace_id'],
  },
  { host: /^accounts\.google\.com$/, owners: ['hd', 'email', 'sub'] },
  { host: /^agent\.buildkite\.com$/, owners: ['organization_slug', 'pipeline_slug'] },
  { host: /^app\.terraform\.io$/, owners: ['terraform_organization_name', 'terraform_workspace_id'] },
]
/** Claims whose values begin with an owner's name and a slash. */
const paths = ['repository', 'project_path']

/** Why the configuration of issuers is not safe, as text; undefined: it is safe. */
export function issuersProblem(issuers: readonly OidcIssuer[]): string | undefined {
  for (const issuer of issuers) {
    const problem = issuerProblem(issuer)
    if (problem !== undefined) return `${issuer.issuer}: ${problem}`
    const same = issuers.find(
      (other) =>
        other.issuer !== issuer.issuer &&
        (other.prefix ?? defaultPrefix) === (issuer.prefix ?? defaultPrefix),
    )
    if (same !== undefined)
      return `${issuer.issuer} and ${same.issuer} have the same prefix, so that one could name the other's users: give each its own`
  }
  return undefined
}

function issuerProblem(issuer: OidcIssuer): string | undefined {
  const url = URL.canParse(issuer.issuer) ? new URL(issuer.issuer) : undefined
  if (url === undefined || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '')
    return 'it is no URL of an issuer'
  if (!isSafeUrl(url)) return 'an issuer is reached over https'
  if (issuer.audiences.length === 0 || issuer.audiences.includes('')) return 'it needs an audience'
  return prefixProblem(issuer.prefix ?? defaultPrefix) ?? sharedProblem(url, issuer.claims)
}

/** https, or http to a loopback address. */
export function isSafeUrl(url: URL): boolean {
  if (url.protocol === 'https:') return true
  const { hostname } = url
  const loopback =
    hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'))
  return url.protocol === 'http:' && loopback
}

/**
 * The prefix contains a ":" and does not begin like the names of others: no claim can then produce the name
 * of another kind of caller.
 */
function prefixProblem(prefix: string): string | undefined {
  if (prefix.startsWith('system:') || prefix.startsWith(robotPrefix))
    return `the prefix "${prefix}" is that of others' names`
  return /^[^:]+:/.test(prefix) ? undefined : `the prefix "${prefix}" must hold a ":", as "oidc:" does`
}

function sharedProblem(url: URL, claims: Readonly<Record<string, string>>): string | undefined {
  const shared = sharedIssuers.find(({ host }) => host.test(url.hostname))
  if (shared === undefined) return undefined
  const bound = shared.owners.some((owner) => {
    const value = claims[owner]
    if (value === undefined) return false
    // The owner itself must be spelled out: "acme/*" is one owner's, "acme*" or "*/app" anybody's.
    return paths.includes(owner) ? /^[^*/]+\/./.test(value) : value !== '' && !value.includes('*')
  })
  if (bound) return undefined
  return `anybody can get a token there: name whose are taken under "claims", for example ${shared.owners[0]}: ${
    paths.includes(shared.owners[0] ?? '') ? 'acme/*' : 'acme'
  } (one of ${shared.owners.join(', ')})`
}
