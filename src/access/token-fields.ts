/** The members of a foreign JSON object; each is checked before it is used. */
export type TokenFields = ReadonlyMap<string, unknown>

/** The JSON object in a part of a JWT (base64url, RFC 7519); undefined: it holds none. */
export function fieldsIn(part: string): TokenFields | undefined {
  return fieldsOf(Buffer.from(part, 'base64url'))
}

export function fieldsOf(bytes: Uint8Array): TokenFields | undefined {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return new Map<string, unknown>(Object.entries(value))
}

/**
 * An optional member: its value, undefined if it is absent, or `wrong` if it has another type or is too
 * large.
 */
export const wrong = Symbol('not what it may be')
type Read<Value> = Value | undefined | typeof wrong

export function textIn(fields: TokenFields, name: string, longest: number): Read<string> {
  const value = fields.get(name)
  if (value === undefined) return undefined
  return typeof value === 'string' && value.length <= longest ? value : wrong
}

/** Seconds: the last instant that a Date can hold. */
const latest = 8.64e12

/** A NumericDate (RFC 7519, 2) as milliseconds since the epoch. */
export function timeIn(fields: TokenFields, name: string): Read<number> {
  const value = fields.get(name)
  if (value === undefined) return undefined
  return typeof value === 'number' && Math.abs(value) <= latest ? value * 1000 : wrong
}

/** One text or several (RFC 7519, 4.1.3). */
export function textsIn(
  fields: TokenFields,
  name: string,
  { longest, most }: { readonly longest: number; readonly most: number },
): Read<readonly string[]> {
  const value = fields.get(name)
  if (value === undefined) return undefined
  const all: readonly unknown[] = Array.isArray(value) ? value : [value]
  const texts = all.filter((each): each is string => typeof each === 'string' && each.length <= longest)
  return all.length > most || texts.length < all.length ? wrong : texts
}
