import { findOnPath } from '../program-path.ts'
import type { Terminal } from '../streams.ts'
import { helperName, type LoginOutcome, type LogoutOutcome } from '../../login/login.ts'
import { needsServiceAccount } from '../../login/registry-credential.ts'

export function printLogin(host: string, outcome: LoginOutcome, terminal: Terminal): void {
  const { env, stdout, stderr } = terminal
  if (outcome.kind === 'certificate') {
    const { name, until, files } = outcome
    stdout.write(`${host}: shown the client certificate of "${name}", ${untilWords(until)}\n`)
    for (const file of files) stdout.write(`  ${file}\n`)
    return
  }
  const { kind, origin, until, engines, isForApiServer } = outcome
  stdout.write(
    kind === 'helper'
      ? `${host}: asks for ${origin} each time\n`
      : `${host}: logged in with ${origin}, ${untilWords(until)}\n`,
  )
  for (const { readers, config } of engines) stdout.write(`  ${readers}: ${config}\n`)
  if (isForApiServer) stderr.write(apiTokenNote)
  if (kind === 'helper' && findOnPath(`docker-credential-${helperName}`, env) === undefined) {
    stderr.write(
      `  docker-credential-${helperName} is not in PATH: npm install --global trow puts it there, beside trow.\n`,
    )
  }
}

export function printLogout(host: string, { undone, wasKnown }: LogoutOutcome, { stdout }: Terminal): void {
  stdout.write(
    undone.length > 0 || wasKnown
      ? `${host}: logged out\n${undone.map((line) => `  ${line}\n`).join('')}`
      : `${host}: nobody was logged in\n`,
  )
}

function untilWords(until: number | undefined): string {
  if (until === undefined) return 'for as long as the cluster takes it'
  return `until ${new Date(until).toISOString().replace(/\.\d+Z$/, 'Z')}`
}

const apiTokenNote = `  It is a token for the API server: the registry takes it only with --api-server-tokens. ${needsServiceAccount}\n`
