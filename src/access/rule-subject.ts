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

/**
 * Whom one word of `who` names: a kind of caller, `group:NAME`, or a name. `*` in names stands for any text, but never
 * for the anonymous caller, so that a rule for everybody who is known does not open the door to all.
 */
export function compileSubject(text: string): (principal: Principal) => boolean {
  if (isWord(text)) return byWord[text]
  const group = groupOf(text)
  if (group !== undefined) {
    const matches = compilePattern(deep(group))
    return ({ groups }) => groups.some(matches)
  }
  if (!text.includes('*')) return ({ name }) => name === text
  const matches = compilePattern(deep(text))
  return ({ kind, name }) => kind !== 'anonymous' && matches(name)
}

/** Whether every caller that `narrow` names is named by `wide`. True is certain. */
export function subjectCovers(wide: string, narrow: string): boolean {
  if (wide === narrow) return true
  if (wide === 'authenticated') return !mayNameAnonymous(narrow)
  if (isWord(wide) || isWord(narrow)) return false
  const [group, inner] = [groupOf(wide), groupOf(narrow)]
  if (group !== undefined || inner !== undefined) {
    return group !== undefined && inner !== undefined && patternCovers(deep(group), deep(inner))
  }
  if (wide.includes('*') && mayNameAnonymous(narrow)) return false
  return patternCovers(deep(wide), deep(narrow))
}

/** The namespace of a Kubernetes service account; undefined for everybody else. */
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

function mayNameAnonymous(text: string): boolean {
  return compileSubject(text)(anonymous)
}

/** In names an asterisk goes over slashes. */
function deep(text: string): string {
  return text.replaceAll(/\*+/g, '**')
}
