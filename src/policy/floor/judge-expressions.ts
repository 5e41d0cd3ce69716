import { nameRefusals, type RefusalWords } from '../name-refusals.ts'
import type { CelVariable } from './name-expressions.ts'

const matches = (namespaces: string): string =>
  `(${namespaces}.all || request.namespace in ${namespaces}.names || request.namespace.matches(${namespaces}.pattern))`

const containers = (pod: string, list: string): string =>
  `${pod}.spec.?${list}.orValue([]).map(c, [c.?name.orValue(''), c.?image.orValue('')])`
const lists = (pod: string): string =>
  `[${['initContainers', 'containers', 'ephemeralContainers'].map((list) => containers(pod, list)).join(',\n  ')},
  ${pod}.spec.?volumes.orValue([]).filter(v, has(v.image)).map(v, [v.name, v.image.?reference.orValue('')])]`
const changed = [0, 1, 2, 3]
  .map(
    (list) =>
      `(variables.now[${list}] == variables.before[${list}] ? [] : variables.now[${list}].filter(i, !(i in variables.before[${list}])))`,
  )
  .join(' +\n  ')

/** Which policies judge, and which images: all of a new pod, and of a changed one those that changed at their place. */
export const subjectVariables: readonly CelVariable[] = [
  {
    name: 'policies',
    expression: `params.spec.policies.filter(p, ${matches('p.include')} && !${matches('p.exclude')})`,
  },
  { name: 'enforcing', expression: 'variables.policies.filter(p, p.enforce)' },
  {
    name: 'unjudged',
    expression: `variables.policies.size() == 0 && params.spec.noPolicy == 'deny'`,
  },
  { name: 'now', expression: lists('object') },
  { name: 'before', expression: `oldObject == null ? [[], [], [], []] : ${lists('oldObject')}` },
  { name: 'images', expression: `(${changed}\n).map(i, string(i[1]))` },
]

const byRule = `params.spec.requirements[r].digest && m.digest == '' ? 'DIGEST_REQUIRED' :
    m.tag != '' && m.tag in params.spec.requirements[r].tags ? 'TAG_DENIED' :
    params.spec.requirements[r].content && m.spelling != '' ? 'HOST_SPELLING' : ''`
const finding = `m.scopes.exists(s, s in p.deniedScopes) || m.digest in p.deniedDigests ? 'DENY_LIST' :
  [m.scopes.filter(s, s in p.rules)].map(s, s.size() == 0 ? (p.deny ? 'NOT_ALLOWED' : '') :
    [p.rules[s[0]]].map(r, r == '' ? '' :
    ${byRule})[0])[0]`
const lifts = `[params.spec.exceptions[e]].exists(x,
    (x.overrideDeny || !f.exists(i, i[2] == 'DENY_LIST')) && ${matches('x.namespaces')} && f.all(i, i[0] in x.policies))`

/** What stands against an image: each finding is `[POLICY ID, POLICY, REASON, TAG]`. */
export const judgeVariables: readonly CelVariable[] = [
  {
    name: 'found',
    expression: `variables.known.map(m, m.bad ? {'text': dyn(m.text), 'lifted': dyn(false),
   'findings': dyn(variables.unjudged ? [['', '', 'REF', '']] : variables.enforcing.map(p, [string(p.id), string(p.name), 'REF', '']))} :
  variables.unjudged ? {'text': dyn(m.text), 'lifted': dyn(false), 'findings': dyn([['', '', 'NO_POLICY', '']])} :
  [variables.enforcing.map(p, [string(p.id), string(p.name), ${finding}, string(m.tag)]).filter(f, f[2] != '')].map(f,
   {'text': dyn(m.text), 'findings': dyn(f), 'lifted': dyn(f.size() > 0 && (
    m.excepted.exists(s, params.spec.exceptedScopes[s].split(' ').exists(e, ${lifts})) ||
    (m.digest in params.spec.exceptedDigests && params.spec.exceptedDigests[m.digest].split(' ').exists(e, ${lifts}))))})[0])`,
  },
  { name: 'refused', expression: 'variables.found.filter(m, m.findings.size() > 0 && !m.lifted)' },
]

/** What the floor cannot say as `decide()` does: it does not keep the texts of deny lists, nor know how nodes write a host. */
const ownWords: Readonly<Record<'REF' | 'DENY_LIST' | 'HOST_SPELLING', RefusalWords>> = {
  REF: {
    detail: 'it is no image name that can be judged',
    fix: 'trow policy eval --image NAME says what is wrong with it',
  },
  DENY_LIST: { detail: 'it stands on the deny list', fix: 'use another image: the policy says why' },
  HOST_SPELLING: {
    detail: 'nodes do not know the host in this spelling',
    fix: 'write the host as a node knows it',
  },
}
const words = `{${Object.entries({ ...nameRefusals, ...ownWords })
  .map(([reason, { detail, fix }]) => `'${reason}': '${detail}. Fix: ${fix}'`)
  .join(',\n  ')}}`

/** To refuse the mirror of a static pod would stop nothing. Only its node can make one, whatever the annotations say. */
const isMirror = `(request.userInfo.username.startsWith('system:node:') && 'system:nodes' in request.userInfo.groups &&
  'kubernetes.io/config.mirror' in object.metadata.?annotations.orValue({}))`

/** True: nothing is refused. The first part spares clusters without such policies the rest. */
export const floorValidation = `(variables.enforcing.size() == 0 && !variables.unjudged) || ${isMirror} ||
variables.refused.size() == 0`

/** Characters of a message: longer texts are dropped by the API server, and those with line breaks. */
const longest = 2000

/** The lines of `refusalText` in one. */
export const floorMessage = `[${words}].map(w, 'refused by the floor of trow: ' +
  variables.refused.map(m, (m.text == '' ? '(no name)' : m.text) + '  ' +
    m.findings.map(f, (f[1] == '' ? '' : f[1] + ': ') + f[2] + ' ' + w[f[2]].replace('TAG', f[3])).join('; ')).join('; ')
).map(t, t.size() > ${longest} ? t.substring(0, ${longest}) + '...' : t)[0]`
