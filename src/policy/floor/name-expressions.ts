/**
 * The reading of names (`parseImageReference`) in CEL. Each variable is the list of the images in the state that the one before
 * left them in. An image that is refused for its name has the field `bad` and goes through the rest as it is.
 */
export interface CelVariable {
  readonly name: string
  readonly expression: string
}

const label = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?'
const host = `(?:${label}(?:[.]${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]{1,5})?`
const segment = '[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*'
const tag = '[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}'
const grammar = `^(?:${host}/)?${segment}(?:/${segment})*(?::${tag})?(?:@sha256:[0-9a-f]{64})?$`
const groups = '[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*'
const address = `^\\[(?:${groups})?(?:::(?:${groups})?)?\\]$`
const octet = '(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])'
const hubs = `['index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com']`
const algorithms = `['sha256', 'sha384', 'sha512', 'blake3']`
const zeros = '0:0:0:0:0:0:0:0:'

/** A name's last label is a number only in an IPv4 address of four plain decimal numbers. */
const isNameOrIpv4 = (name: string): string =>
  `(!${name}.matches(r'(?:^|[.])(?:[0-9]+|0x[0-9a-f]*)$') || ${name}.matches(r'^(?:${octet}[.]){3}${octet}$'))`
const folded = (site: string): string => `(${site} in ${hubs} ? 'docker.io' : ${site})`
const groupsOf = `m.host.findAll('[0-9a-f]+').size()`
const bad = `{'text': m.text, 'bad': 'REF'}`

export const nameVariables: readonly CelVariable[] = [
  {
    // The grammar decides what is a name; the parts can then be cut out at single characters.
    name: 'read',
    expression: `variables.images.map(t, t.size() > 512 || !t.matches(r'${grammar}') ?
  {'text': t, 'bad': 'REF'} :
  {'text': t,
   'name': t.split('@')[0],
   'digest': t.contains('@') ? t.split('@')[1] : '',
   'first': t.contains('/') ? t.split('/')[0] : ''})`,
  },
  {
    // Docker's rule for the first component. The grammar has no underscore in hosts.
    name: 'split',
    expression: `variables.read.map(m, 'bad' in m ? m :
  (m.first.matches('[.:[A-Z]') || m.first == 'localhost') && !m.first.contains('_') ?
  {'text': m.text, 'digest': m.digest, 'first': m.first,
   'rest': m.name.substring(m.first.size() + 1),
   'host': m.first.startsWith('[') ?
     m.first.substring(0, m.first.indexOf(']') + 1).lowerAscii() : m.first.split(':')[0].lowerAscii(),
   'port': m.first.find(':[0-9]+$')} :
  {'text': m.text, 'digest': m.digest, 'first': '', 'rest': m.name, 'host': '', 'port': ''}
).map(m, 'bad' in m ? m :
  {'text': m.text, 'digest': m.digest, 'first': m.first, 'host': m.host,
   'path': m.rest.split(':')[0],
   'tag': m.digest != '' ? '' : m.rest.contains(':') ? m.rest.split(':')[1] : 'latest',
   'port': m.port == '' || int(m.port.substring(1)) == 443 ? '' :
     int(m.port.substring(1)) == 0 || int(m.port.substring(1)) > 65535 ? 'bad' :
     ':' + string(int(m.port.substring(1)))})`,
  },
  {
    // Eight groups for an IPv6 address: "::" is as many zeros as are missing, and one at least.
    name: 'placed',
    expression: `variables.split.map(m, 'bad' in m ? m :
  m.first.size() > 255 || m.path.size() > 255 || m.port == 'bad' ? ${bad} :
  m.host == '' ?
    (params.spec.shortNames == 'deny' || m.path in ${algorithms} || m.path.matches('^[0-9a-f]{64}$') ? ${bad} :
    {'text': m.text, 'digest': m.digest, 'tag': m.tag, 'path': m.path, 'first': '', 'site': 'docker.io'}) :
  m.host.startsWith('[') ?
    (!m.host.matches(r'${address}') || (m.host.contains('::') ? ${groupsOf} > 7 : ${groupsOf} != 8) ? ${bad} :
    {'text': m.text, 'digest': m.digest, 'tag': m.tag, 'path': m.path, 'first': m.first,
     'site': '[' + m.host.replace('::', ':' + '${zeros}'.substring(0, m.host.contains('::') ? 16 - 2 * ${groupsOf} : 0))
       .findAll('[0-9a-f]+').map(g, g.find('(?:0|[1-9a-f][0-9a-f]*)$')).join(':') + ']' + m.port}) :
  !${isNameOrIpv4('m.host')} || !(m.host.contains('.') || m.port != '' || m.host == 'localhost') ? ${bad} :
  {'text': m.text, 'digest': m.digest, 'tag': m.tag, 'path': m.path, 'first': m.first,
   'site': ${folded('(m.host + m.port)')}})`,
  },
  {
    // Under the registry's own hosts: its own content, and below f/ that of other registries.
    name: 'sited',
    expression: `variables.placed.map(m, 'bad' in m ? m :
  !(m.site in params.spec.ownHosts) ?
    {'text': m.text, 'digest': m.digest, 'tag': m.tag, 'path': m.path, 'site': m.site, 'spelling': ''} :
  m.path.split('/')[0] != 'f' ?
    {'text': m.text, 'digest': m.digest, 'tag': m.tag, 'path': m.path, 'site': '@trow',
     'spelling': m.first == params.spec.ownHosts[m.site] ? '' : 'other'} :
  m.path.split('/').size() < 3 ? ${bad} :
  {'text': m.text, 'digest': m.digest, 'tag': m.tag, 'path': m.path.split('/', 3)[2],
   'site': m.path.split('/')[1], 'spelling': 'f/'}
).map(m, 'bad' in m || m.spelling != 'f/' ? m :
  m.site.contains('_') || !(m.site.contains('.') || m.site == 'localhost') || !${isNameOrIpv4('m.site')}
    || ${folded('m.site')} in params.spec.ownHosts ? ${bad} :
  {'text': m.text, 'digest': m.digest, 'tag': m.tag, 'path': m.path, 'site': ${folded('m.site')}, 'spelling': ''}
).map(m, 'bad' in m || m.site != 'docker.io' || m.path.contains('/') ? m :
  {'text': m.text, 'digest': m.digest, 'tag': m.tag, 'path': 'library/' + m.path, 'site': m.site,
   'spelling': m.spelling}
).map(m, 'bad' in m ? m :
  m.path.size() > 255 || m.site.size() + 1 + m.path.size() + 1 +
    (m.digest == '' ? m.tag.size() : m.digest.size()) > 512 ? ${bad} : m)`,
  },
  {
    // Every scope that could cover the name, the most specific first; "*" is the last.
    name: 'known',
    expression: `variables.sited.map(m, 'bad' in m ? {'text': dyn(m.text), 'bad': dyn(true)} :
  {'text': dyn(m.text), 'bad': dyn(false), 'digest': dyn(m.digest), 'tag': dyn(m.tag), 'spelling': dyn(m.spelling),
   'hosts': dyn([m.site] + params.spec.domainDepths.filter(d, d < m.site.split('.').size())
     .map(d, '*.' + m.site.split('.', m.site.split('.').size() - d + 1)[m.site.split('.').size() - d])),
   'paths': dyn(params.spec.pathDepths.filter(d, d <= m.path.split('/').size())
     .map(d, d == 0 ? '' : d == m.path.split('/').size() ? '/' + m.path :
       '/' + m.path.substring(0, m.path.size() - m.path.split('/', d + 1)[d].size() - 1)))}
).map(m, m.bad ? m :
  {'text': m.text, 'bad': m.bad, 'digest': m.digest, 'tag': m.tag, 'spelling': m.spelling,
   'scopes': dyn((m.hosts.map(h, m.paths.map(p, h + p).join(' ')).join(' ') + ' *').split(' '))}
).map(m, m.bad ? m :
  {'text': m.text, 'bad': m.bad, 'digest': m.digest, 'tag': m.tag, 'spelling': m.spelling,
   'scopes': dyn(m.scopes),
   'excepted': dyn(m.scopes.filter(s, s in params.spec.exceptedScopes))})`,
  },
]
