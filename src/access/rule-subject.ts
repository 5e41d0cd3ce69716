import { compilePattern, patternCovers } from '../oci/repository-pattern.ts'
import { anonymous, type Principal } from './principal.ts'

/** Words of `who` that stand for a kind of caller. No password user may have such a name. */
export const subjectWords = [
  'users',
  'robots',
  'nodes',
  'service-accounts',
  'authenticated',
  'anonymous',
] as const

type Word = (typeof subjectWords)[number]

const byWord: Readonly<Record<Word, (principal: Principal) => boolean>> = {
  users: ({ kind }) => kind === 'password',
  robots: ({ kind }) => kind === 'robot',
  nodes: ({ kind, groups }) => kind === 'node-certificate' || groups.includes('system:nodes'),
  'service-accounts': (principal) => namespaceOf(principal) !== undefined,
  authenticated: ({ kind }) => kind !== 'anonymous',
  anonymous: ({ kind }) => kind === 'anonymous',
}

/** One word of a rule's `who`; `deny` is the rule's. */
export interface Subject {
  readonly text: string
  readonly deny: boolean
}

/**
 * The callers that one word of `who` names: a kind of caller, `group:NAME`, or a name. `*` in names and
 * groups stands for any text. In a rule that allows, `*` never includes the anonymous caller, so that a rule
 * for all known callers does not open the registry to everybody. In a rule that denies it does, so that a
 * caller without credentials is denied where everybody is.
 */
export function compileSubject({ text, deny }: Subject): (principal: Principal) => boolean {
  if (isWord(text)) return byWord[text]
  const group = groupOf(text)
  const pattern = group ?? text
  if (!pattern.includes('*')) {
    return group === undefined ? ({ name }) => name === text : ({ groups }) => groups.includes(group)
  }
  const matches = compilePattern(deep(pattern))
  const named: (principal: Principal) => boolean =
    group === undefined ? ({ name }) => matches(name) : ({ groups }) => groups.some(matches)
  return deny ? named : (principal) => principal.kind !== 'anonymous' && named(principal)
}

/** Whether `wide` names every caller that `narrow` names. True is certain, false is not. */
export function subjectCovers(wide: Subject, narrow: Subject): boolean {
  // The anonymous caller is a single caller, so both subjects can be tested on it.
  if (mayNameAnonymous(narrow) && !mayNameAnonymous(wide)) return false
  if (wide.text === narrow.text || wide.text === 'authenticated') return true
  const [group, inner] = [groupOf(wide.text), groupOf(narrow.text)]
  // Every caller has a name, so `*` covers any word.
  if (group === undefined && /^\*+$/.test(wide.text)) return true
  if (isWord(wide.text) || isWord(narrow.text)) return false
  if (group !== undefined || inner !== undefined) {
    return group !== undefined && inner !== undefined && patternCovers(deep(group), deep(inner))
  }
  return patternCovers(deep(wide.text), deep(narrow.text))
}

/** The namespace of a Kubernetes service account; undefined for other callers. */
export function namespaceOf({ kind, name }: Principal): string | undefined {
  return kind === 'kubernetes' ? /^system:serviceaccount:([a-z\d-]+):[^:]+$/.exec(name)?.[1] : undefined
}

export function isWord(text: string): text is Word {
  return (subjectWords as readonly string[]).includes(text)
}

/** The group of `group:NAME`. */
export function groupOf(text: string): string | undefined {
  return text.startsWith('group:') ? text.slice('group:'.length) : undefined
}

function mayNameAnonymous(subject: Subject): boolean {
  return compileSubject(subject)(anonymous)
}

/** In names an asterisk also matches slashes. */
function deep(text: string): string {
  return text.replaceAll(/\*+/g, '**')
}
