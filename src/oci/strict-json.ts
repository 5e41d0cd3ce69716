import { OciError } from './oci-error.ts'

const depthLimit = 64

/**
 * Parses UTF-8 JSON. Refuses what two parsers could read in two ways or what costs too much: bytes that are not
 * UTF-8, a name twice in one object, nesting deeper than 64. Throws OciError MANIFEST_INVALID.
 */
export function parseStrictJson(bytes: Uint8Array): unknown {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw invalid('it is not UTF-8', cause)
  }
  checkNesting(text)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw invalid(`it is not JSON: ${(cause as Error).message.slice(0, 200)}`, cause)
  }
  checkNames(text)
  return value
}

export function invalid(detail: string, cause?: unknown): OciError {
  return new OciError('MANIFEST_INVALID', 'the manifest is not valid', { detail, cause })
}

const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d
const colon = 0x3a

function checkNesting(text: string): void {
  let depth = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === quote) index = endOfString(text, index)
    else if (code === openBrace || code === openBracket) {
      if (++depth > depthLimit) throw invalid(`it is nested deeper than ${depthLimit} levels`)
    } else if (code === closeBrace || code === closeBracket) depth--
  }
}

/** `text` is JSON already: a string before a colon is a name. */
function checkNames(text: string): void {
  const open: (Set<string> | undefined)[] = []
  let before = ''
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === quote) {
      const end = endOfString(text, index)
      before = text.slice(index, end + 1)
      index = end
    } else if (code === openBrace) open.push(new Set())
    else if (code === openBracket) open.push(undefined)
    else if (code === closeBrace || code === closeBracket) open.pop()
    else if (code === colon) {
      const name = before.includes('\\') ? (JSON.parse(before) as string) : before.slice(1, -1)
      const names = open.at(-1)
      if (names?.has(name)) throw invalid(`the name ${before.slice(0, 200)} stands twice in one object`)
      names?.add(name)
    }
  }
}

/** The index of the closing quote, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === backslash) index++
    else if (code === quote) return index
  }
  return text.length
}
