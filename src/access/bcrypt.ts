import { hash, verify } from '@node-rs/bcrypt'

/** bcrypt in libuv's thread pool, never on this thread. Only the first 72 bytes of a password count. */
export interface Bcrypt {
  /** Takes as long as the cost in `hashed` says, whatever the answer. */
  verify(password: string, hashed: string): Promise<boolean>
}

export const bcrypt: Bcrypt = { verify: (password, hashed) => verify(password, hashed) }

/** Bytes: bcrypt ignores the rest of a password. */
export const longestPassword = 72

export const defaultCost = 10

/** In the form that every htpasswd program reads: `$2y$…`. */
export function hashPassword(password: string, cost: number = defaultCost): Promise<string> {
  return hash(password, cost)
}
