import { z } from 'zod'

const sslModes = ['disable', 'require', 'verify-ca', 'verify-full']
const example = 'write for example postgres://trow@db.example/trow'

/** `--database`. A password is refused: arguments, variables and logs are read by many. */
export const databaseUrl = z.string().superRefine((text, context) => {
  const message = problemOf(text)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})

function problemOf(text: string): string | undefined {
  const url = URL.parse(text)
  if (url === null || !['postgres:', 'postgresql:'].includes(url.protocol))
    return `is no URL of a PostgreSQL; ${example}`
  const { searchParams: parameters } = url
  if (url.password !== '' || parameters.has('password'))
    return 'has a password: write it into a file, and name that with --database-password-file'
  if (url.hostname === '' || url.username === '' || !/^\/[^/]+$/.test(url.pathname))
    return `names no host, user or database; ${example}`
  const unknown = [...parameters.keys()].find((name) => name !== 'sslmode' && name !== 'sslrootcert')
  if (unknown !== undefined)
    return `has "${unknown}", which is not known here: only sslmode and sslrootcert are`
  const mode = parameters.get('sslmode') ?? 'disable'
  if (!sslModes.includes(mode)) return `has another sslmode than ${sslModes.join(', ')}`
  return undefined
}
