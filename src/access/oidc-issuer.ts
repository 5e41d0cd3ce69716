import { isIPv4 } from 'node:net'
import { robotPrefix } from './principal.ts'

/** An issuer whose tokens (OpenID Connect Core) are taken, and which of them. */
export interface OidcIssuer {
  /** As in `iss`, exactly. */
  readonly issuer: string
  /** One of these must be in `aud`. */
  readonly audiences: readonly string[]
  /** Default `sub`. */
  readonly usernameClaim?: string
  readonly groupsClaim?: string
  /** Before names and groups; default `oidc:`. */
  readonly prefix?: string
  /** Patterns as in rules, which the claims of these names must match, all of them. */
  readonly claims: Readonly<Record<string, string>>
}

export const defaultPrefix = 'oidc:'

/** Issuers at which anybody can get a token, with the claims that say whose it is. */
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
/** Their values begin with an owner's name and a slash. */
const paths = ['repository', 'project_path']

/** What keeps the configuration of issuers from being safe, in words; undefined where nothing does. */
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

/** https, or http to this very machine. */
export function isSafeUrl(url: URL): boolean {
  if (url.protocol === 'https:') return true
  const { hostname } = url
  const loopback =
    hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'))
  return url.protocol === 'http:' && loopback
}

/** With a ":" after something that is nobody else's beginning, no claim can make a name of another kind of caller. */
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
