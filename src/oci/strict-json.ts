import { reasonOf } from '../reason-of.ts'
import { OciError } from './oci-error.ts'

const depthLimit = 64
/** Names of members, in all objects together. JSON.parse takes half a microsecond for each new name. */
export const memberLimit = 40_000
/** Members, elements of lists, objects and lists, all together. */
export const valueLimit = 262_144

/**
 * Parses a small body of UTF-8 JSON (few KiB) in one step: the checks of `strictJsonSteps` without the cost
 * of a generator.
 */
export function parseStrictJson(bytes: Uint8Array): unknown {
  const members = countMembers(bytes)
  const text = decoded(bytes)
  const value = parsed(text)
  if (namesIn(value) !== members) throw nameTwice(text)
  return value
}

/**
 * Parses UTF-8 JSON. Refuses what two parsers could read differently, or what costs too much: bytes that are
 * not UTF-8, a name twice in one object, nesting deeper than 64 (OciError MANIFEST_INVALID); more members
 * than `memberLimit` or values than `valueLimit` (MANIFEST_TOO_LARGE). Yields where the thread may do other
 * work: each part of a body of 4 MiB takes some 20 ms.
 */
export function* strictJsonSteps(bytes: Uint8Array): Generator<void, unknown> {
  const members = countMembers(bytes)
  const text = decoded(bytes)
  yield
  const value = parsed(text)
  yield
  // The object keeps only the last of two equal names, so that it has fewer than were counted.
  if (namesIn(value) !== members) throw nameTwice(text)
  return value
}

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw invalid('it is not UTF-8', cause)
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw invalid(`it is not JSON: ${reasonOf(cause).slice(0, 200)}`, cause)
  }
}

export function invalid(detail: string, cause?: unknown): OciError {
  return new OciError('MANIFEST_INVALID', 'the manifest is not valid', { detail, cause })
}

export function tooMany(what: string, limit: number): OciError {
  return new OciError('MANIFEST_TOO_LARGE', 'the manifest is too large', {
    detail: `it has more than ${limit.toLocaleString('en')} ${what}: split it into several manifests under an index`,
  })
}

const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d
const colon = 0x3a
const comma = 0x2c

/**
 * Counts the member names of a JSON text, and checks depth and limits in the same pass, before anything is
 * built.
 */
function countMembers(bytes: Uint8Array): number {
  let [depth, members, values] = [0, 0, 0]
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index]
    if (byte === quote) index = endOfString(bytes, index)
    else if (byte === comma) values++
    else if (byte === colon) members++
    else if (byte === openBrace || byte === openBracket) {
      values++
      if (++depth > depthLimit) throw invalid(`it is nested deeper than ${depthLimit} levels`)
    } else if (byte === closeBrace || byte === closeBracket) depth--
  }
  if (members > memberLimit) throw tooMany('members in its objects', memberLimit)
  if (values > valueLimit) throw tooMany('values', valueLimit)
  return members
}

/** The index of the closing quote, or the end. */
function endOfString(bytes: Uint8Array, start: number): number {
  for (let index = start + 1; index < bytes.length; index++) {
    const byte = bytes[index]
    if (byte === backslash) index++
    else if (byte === quote) return index
  }
  return bytes.length
}

function namesIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  let names = 0
  if (Array.isArray(value)) {
    for (const each of value as unknown[]) if (typeof each === 'object') names += namesIn(each)
    return names
  }
  // Own names only: JSON.parse makes plain objects, in which `__proto__` is a name like any other.
  for (const each of Object.values(value) as unknown[]) {
    names++
    if (typeof each === 'object') names += namesIn(each)
  }
  return names
}

/** Finds the duplicate name for the error message. `text` is valid JSON. */
function nameTwice(text: string): OciError {
  const open: (Set<string> | undefined)[] = []
  let before = ''
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === quote) {
      const end = closingQuote(text, index)
      before = text.slice(index, end + 1)
      index = end
    } else if (code === openBrace) open.push(new Set())
    else if (code === openBracket) open.push(undefined)
    else if (code === closeBrace || code === closeBracket) open.pop()
    else if (code === colon) {
      const name = JSON.parse(before) as string
      if (open.at(-1)?.has(name))
        return invalid(`the name ${before.slice(0, 200)} stands twice in one object`)
      open.at(-1)?.add(name)
    }
  }
  return invalid('a name stands twice in one object')
}

function closingQuote(text: string, start: number): number {
  let index = start + 1
  while (text.charCodeAt(index) !== quote) index += text.charCodeAt(index) === backslash ? 2 : 1
  return index
}
