import { errorCode } from '../error-code.ts'
import { reasonOf } from '../reason-of.ts'
import { UserError } from '../user-error.ts'

/** Turns Node's error from listening on an address into a UserError. */
export function cannotListen(host: string, port: number, error: unknown): UserError {
  const code = errorCode(error)
  if (code === 'EADDRINUSE') {
    return new UserError('PORT_TAKEN', `port ${port} of ${host} is taken by another program`, {
      hint: `Choose another with --listen ${host}:${port + 1}, or stop the other program (ss -ltnp 'sport = :${port}').`,
    })
  }
  if (code === 'EACCES') {
    return new UserError('PORT_NOT_PERMITTED', `this user may not listen on port ${port}`, {
      hint: 'Choose a port from 1024 on with --listen.',
    })
  }
  return new UserError('LISTEN_FAILED', `cannot listen on ${host}:${port}: ${reasonOf(error)}`, {
    hint: 'Check the address given with --listen: it must be one of this machine.',
  })
}
