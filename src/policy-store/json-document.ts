/**
 * Nesting limit for objects and lists, in JSON and in YAML. Deeper text goes to the YAML reader, which
 * reports the place.
 */
export const deepest = 50

/**
 * Parses a JSON text 100 times as fast as the YAML reader would (JSON is a subset of YAML). Undefined for a
 * text that is not JSON, or in which the YAML reader reports a problem: a name that occurs twice in one
 * object, `__proto__`, or deep nesting.
 */
export function readJsonDocument(text: string): unknown {
  const first = text.trimStart()[0]
  if ((first !== '{' && first !== '[') || text.includes('__proto__') || text.includes('\\u')) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const shape = countNames(text)
  return shape !== undefined && shape === namesIn(value) ? value : undefined
}

/** Counts the names in a JSON text; undefined: it is nested too deeply. */
function countNames(text: string): number | undefined {
  let [names, depth] = [0, 0]
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x22) {
      for (at++; text.charCodeAt(at) !== 0x22; at++) if (text.charCodeAt(at) === 0x5c) at++
    } else if (code === 0x3a) names++
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > deepest) return undefined
    } else if (code === 0x7d || code === 0x5d) depth--
  }
  return names
}

/** Counts the names in a value that is nested no deeper than `deepest`. */
function namesIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const own = Array.isArray(value) ? 0 : Object.keys(value).length
  return Object.values(value).reduce((sum: number, each) => sum + namesIn(each), own)
}
