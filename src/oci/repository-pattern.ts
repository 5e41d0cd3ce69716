import { isRepositoryName, repositoryNameLimit } from './repository-name.ts'

/**
 * Why a pattern cannot match any repository name, as text; undefined: it can. `*` stands for a part of one
 * segment, or a whole one; `**` for any number of characters of any depth: `team-a/**`, `app-*`.
 */
export function patternProblem(pattern: string): string | undefined {
  if (pattern.length > repositoryNameLimit) return `it has more than ${repositoryNameLimit} characters`
  if ((pattern.match(/\*+/g) ?? []).length > 8) return 'it has more than 8 wildcards'
  if (pattern.includes('***')) return 'three asterisks mean nothing'
  // A wildcard that can match some text can match a letter: a letter is valid beside every other character.
  if (isRepositoryName(pattern.replaceAll(/\*\*?/g, 'a'))) return undefined
  return 'no valid repository name matches it: names are lowercase letters and digits, with single . or _, __ or dashes between them, in segments separated by /'
}

/**
 * Compiles a matcher of whole texts. Its time is at most proportional to the length of the pattern times that
 * of the text. Never throws.
 */
export function compilePattern(pattern: string): (text: string) => boolean {
  if (!pattern.includes('*')) return (text) => text === pattern
  if (pattern === '**') return () => true
  const parts = tokens(pattern)
  return (text) => matches(parts, text)
}

/** Backtracks only to the last wildcard of each kind: what precedes it already matches as early as it can. */
function matches(parts: readonly string[], text: string): boolean {
  let [part, at] = [0, 0]
  let [star, starAt] = [-1, 0]
  let [deep, deepAt] = [-1, 0]
  while (at < text.length) {
    const token = parts[part]
    if (token === '**') {
      ;[deep, deepAt, star] = [part++, at, -1]
    } else if (token === '*') {
      ;[star, starAt] = [part++, at]
    } else if (token === text[at]) {
      part++
      at++
    } else if (star >= 0 && text[starAt] !== '/') {
      part = star + 1
      at = ++starAt
    } else if (deep >= 0) {
      part = deep + 1
      at = ++deepAt
      star = -1
    } else return false
  }
  while (parts[part] === '*' || parts[part] === '**') part++
  return part === parts.length
}

/**
 * Whether every text that `narrow` matches is matched by `wide`. True is certain; false may be wrong for patterns that
 * cover each other only by the interplay of several wildcards.
 */
export function patternCovers(wide: string, narrow: string): boolean {
  const [outer, inner] = [tokens(wide), tokens(narrow)]
  const known = new Map<number, boolean>()
  const covers = (i: number, j: number): boolean => {
    const key = i * (inner.length + 1) + j
    const before = known.get(key)
    if (before !== undefined) return before
    known.set(key, false)
    const result = step(i, j)
    known.set(key, result)
    return result
  }
  const step = (i: number, j: number): boolean => {
    const [token, other] = [outer[i], inner[j]]
    if (token === undefined) return other === undefined
    if (token !== '*' && token !== '**') return token === other && covers(i + 1, j + 1)
    if (covers(i + 1, j)) return true
    if (other === undefined) return false
    return (token === '**' || (other !== '**' && other !== '/')) && covers(i, j + 1)
  }
  return covers(0, 0)
}

/** Single UTF-16 units, `*` and `**`. */
function tokens(pattern: string): string[] {
  return pattern.match(/\*\*|[^]/g) ?? []
}
