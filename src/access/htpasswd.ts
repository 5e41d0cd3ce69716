import { UserError } from '../user-error.ts'
import { robotPrefix } from './principal.ts'
import { isWord } from './rule-subject.ts'

/** bcrypt hashes by user name. */
export type Users = ReadonlyMap<string, string>

const bcryptHash = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/
/** 2^16 rounds take some four seconds; a higher cost would let a few logins stop the server. */
const costs = { least: 4, most: 16 }

/**
 * An htpasswd file, one `name:hash` a line; empty lines and `#` comments are left out. Only bcrypt is
 * accepted: for anything else throws UserError HTPASSWD_INVALID with the line and the remedy, so that no user
 * learns of it by being locked out.
 */
export function parseHtpasswd(text: string, path: string): Users {
  const users = new Map<string, string>()
  for (const [index, line] of text.split('\n').entries()) {
    const entry = line.replace(/\r$/, '')
    if (entry.trim() === '' || entry.startsWith('#')) continue
    const problem = lineProblem(entry) ?? (users.has(nameOf(entry)) ? 'the name is there twice' : undefined)
    if (problem !== undefined) {
      throw new UserError('HTPASSWD_INVALID', `${path}, line ${index + 1}: ${problem}`, {
        hint: 'trow user passwd NAME, or htpasswd -B, writes the line anew.',
      })
    }
    users.set(nameOf(entry), hashOf(entry))
  }
  return users
}

/** The name of a line as `parseHtpasswd` reads it. */
export function nameOf(line: string): string {
  return line.slice(0, Math.max(line.indexOf(':'), 0))
}

/** Why a text cannot be the name of a password user; undefined: it can. */
export function userNameProblem(name: string): string | undefined {
  if (name === '') return 'a user name is missing'
  if (name.length > 255) return 'a user name has at most 255 characters'
  if (name.includes(':')) return 'a user name holds no ":": Basic authentication ends the name there'
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f-\u009f]/.test(name)) return 'a user name holds no control characters'
  if (name.trim() !== name) return 'a user name neither begins nor ends with a space'
  if (name.includes('*')) return 'a user name holds no "*": in rules it stands for any text'
  if (name.startsWith('#')) return 'a user name does not begin with "#": such a line is a comment'
  if (name.startsWith(robotPrefix)) return `names that begin with "${robotPrefix}" are robots'`
  if (isWord(name)) return `"${name}" stands for a kind of caller in rules, so nobody has it for a name`
  return undefined
}

function lineProblem(line: string): string | undefined {
  if (!line.includes(':')) return 'it is not NAME:HASH'
  const name = nameOf(line)
  if (name === 'system') return 'names that begin with "system:" come from a cluster only'
  const problem = userNameProblem(name)
  if (problem !== undefined) return problem
  const hashed = hashOf(line)
  const cost = Number(bcryptHash.exec(hashed)?.[1] ?? Number.NaN)
  if (Number.isNaN(cost)) return `the password of "${name}" is ${formOf(hashed)}, and only bcrypt is taken`
  if (cost >= costs.least && cost <= costs.most) return undefined
  return `the hash of "${name}" has the cost ${cost}; it must be from ${costs.least} to ${costs.most}`
}

function hashOf(line: string): string {
  return line.slice(line.indexOf(':') + 1)
}

/** Never the text itself: it may be a password. */
function formOf(hashed: string): string {
  if (hashed === '') return 'empty'
  if (hashed.startsWith('$apr1$')) return 'an MD5 hash ($apr1$)'
  if (hashed.startsWith('{SHA}')) return 'a SHA-1 hash ({SHA})'
  if (hashed.startsWith('$5$') || hashed.startsWith('$6$')) return 'a SHA-2 hash of crypt'
  if (hashed.startsWith('$argon2')) return 'an Argon2 hash'
  if (/^\$2[aby]?\$/.test(hashed)) return 'a damaged bcrypt hash'
  return 'a crypt hash, plain text or something else'
}
