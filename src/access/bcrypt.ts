import { hash, verify } from '@node-rs/bcrypt'

/** Hashes in libuv's pool, never on this thread. Of a password the first 72 bytes count. */
export interface Bcrypt {
  /** Takes as long as the cost in `hashed` says, whatever the answer. */
  verify(password: string, hashed: string): Promise<boolean>
}

export const bcrypt: Bcrypt = { verify: (password, hashed) => verify(password, hashed) }

/** bcrypt ignores what is beyond. */
export const longestPassword = 72

export const defaultCost = 10

/** In the form that every htpasswd knows: `$2y$…`. */
export function hashPassword(password: string, cost: number = defaultCost): Promise<string> {
  return hash(password, cost)
}
